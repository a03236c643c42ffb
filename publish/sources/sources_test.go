package sources_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"jethook/config"
	"jethook/publish/bustest"
	"jethook/publish/sources"
)

// TestPairingEnds: a nonce is good for one secret, until its time, whatever the caller has heard of the source.
func TestPairingEnds(t *testing.T) {
	t.Parallel()
	handed := bustest.Open(t, bustest.Settings(t)).Sources()
	now := time.Now()
	until := now.Add(time.Minute)
	pair := func() string {
		t.Helper()
		nonce, err := handed.Pair(t.Context(), "asana", until)
		if err != nil {
			t.Fatal(err)
		}
		return nonce
	}
	learn := func(secret, nonce string, at time.Time) error {
		_, err := handed.Learn(t.Context(), "asana", config.NewSecret(secret), nonce, at)
		return err
	}
	if err := learn("secret one", "", now); !errors.Is(err, sources.ErrNotPairing) {
		t.Errorf("before any pairing: %v", err)
	}
	replaced := pair()
	nonce := pair()
	for name, try := range map[string]struct {
		nonce string
		at    time.Time
	}{"none": {"", now}, "half": {nonce[:13], now}, "replaced": {replaced, now}, "at its end": {nonce, until}} {
		if err := learn("secret one", try.nonce, try.at); !errors.Is(err, sources.ErrNotPairing) {
			t.Errorf("with the nonce %s: %v", name, err)
		}
	}
	if err := learn("secret one", nonce, until.Add(-time.Nanosecond)); err != nil {
		t.Errorf("in time: %v", err)
	}
	if err := learn("secret two", nonce, now); !errors.Is(err, sources.ErrNotPairing) {
		t.Errorf("a second secret: %v", err)
	}
	if err := learn("secret one", "", now); err != nil {
		t.Errorf("the known secret again: %v", err)
	}
	watched(t, handed, func(state sources.State) bool {
		return len(state.Secrets) == 1 && !state.Pairing.Opens(nonce, now)
	})
	nonce = pair()
	watched(t, handed, func(state sources.State) bool {
		return state.Pairing.Opens(nonce, now) && !state.Pairing.Opens(nonce, until) && !state.Pairing.Opens("", now)
	})
}

// watched waits until a watcher is told of such a state.
func watched(t *testing.T, handed *sources.Sources, such func(sources.State) bool) {
	t.Helper()
	ctx, end := context.WithTimeout(t.Context(), 20*time.Second)
	defer end()
	told := false
	err := handed.Watch(ctx, func(_ string, state sources.State, err error) {
		if err == nil && such(state) {
			told = true
			end()
		}
	})
	if err != nil || !told {
		t.Errorf("no watcher was told: %v", err)
	}
}
