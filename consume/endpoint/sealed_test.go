package endpoint_test

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"jethook/config"
	"jethook/consume/endpoint"
	"jethook/publish"
)

const (
	oneKey     = "one-key-of-the-tests-0123456789ab"
	anotherKey = "another-key-of-the-tests-01234567"
)

func ring(t testing.TB, keys ...string) *config.Keyring {
	t.Helper()
	var secrets []config.Secret
	for _, key := range keys {
		secrets = append(secrets, config.NewSecret(key))
	}
	k, err := config.NewKeyring(secrets)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// confidentialEndpoint has something in each place that must not be read.
func confidentialEndpoint(t *testing.T) endpoint.Endpoint {
	t.Helper()
	s := validSpec()
	s.Secret, s.Headers = new("Geheimnis-1"), map[string]string{"Authorization": "Basic R2VoZWltbmlz", "X-Team": "Geheimnis-2"}
	e := mustNew(t, s)
	e.Request = "hash-of-Geheimnis-1"
	rotated, err := e.Rotated(endpoint.Secret{Value: config.NewSecret("Geheimnis-3"), Request: "hash-of-Geheimnis-3"}, time.Hour, testNow)
	if err != nil {
		t.Fatal(err)
	}
	return rotated
}

func TestEncodeSealsWhatIsConfidential(t *testing.T) {
	t.Parallel()
	e := confidentialEndpoint(t)
	data, err := endpoint.Encode(e, ring(t, oneKey))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"Geheimnis", "R2VoZWltbmlz", "Authorization", "hash-of"} {
		if strings.Contains(string(data), text) {
			t.Errorf("%s in %s", text, data)
		}
	}
	back, err := endpoint.Decode(data, ring(t, anotherKey, oneKey))
	if err != nil {
		t.Fatal(err)
	}
	if !same(back, e) {
		t.Errorf("got  %+v\nwant %+v", back, e)
	}

	other := strings.ReplaceAll(string(data), e.ID, "ep_aaaaaaaaaaaaaaaaaaaa")
	for name, c := range map[string]struct {
		data string
		keys *config.Keyring
		want error
	}{
		"another key":           {string(data), ring(t, anotherKey), config.ErrNoKey},
		"no key":                {string(data), nil, config.ErrNoKey},
		"of another's endpoint": {other, ring(t, oneKey), config.ErrTampered},
	} {
		if _, err := endpoint.Decode([]byte(c.data), c.keys); !errors.Is(err, endpoint.ErrSealed) || !errors.Is(err, c.want) || strings.Contains(err.Error(), "Geheim") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// same compares two endpoints with their secrets.
func same(a, b endpoint.Endpoint) bool {
	equal := slices.EqualFunc(a.Secrets, b.Secrets, func(x, y endpoint.Secret) bool {
		return x.Value.Reveal() == y.Value.Reveal() && x.Expires.Equal(y.Expires) && x.Request == y.Request
	})
	a.Secrets, b.Secrets = nil, nil
	return equal && reflect.DeepEqual(a, b)
}

// stored returns what the bucket holds of an endpoint.
func stored(t *testing.T, bus *publish.Bus, id string) string {
	t.Helper()
	entry, err := bus.Endpoints().Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return string(entry.Value())
}

func openWith(t *testing.T, bus *publish.Bus, keys *config.Keyring) (*endpoint.Registry, error) {
	t.Helper()
	return endpoint.OpenRegistry(t.Context(), bus.Endpoints(), keys, slog.New(slog.DiscardHandler))
}

// Each start seals what is not sealed by the first key, and fails when an endpoint can't be opened.
func TestRegistrySealsWhatIsStored(t *testing.T) {
	t.Parallel()
	bus := openBus(t)
	e := confidentialEndpoint(t)
	must := func(keys *config.Keyring) *endpoint.Registry {
		t.Helper()
		r, err := openWith(t, bus, keys)
		if err != nil {
			t.Fatal(err)
		}
		got, err := r.Get(t.Context(), e.ID)
		if err != nil || got.Secrets[0].Value.Reveal() != "Geheimnis-3" || got.Headers["X-Team"] != "Geheimnis-2" || got.Edition != e.Edition || !got.UpdatedAt.Equal(e.UpdatedAt) {
			t.Fatalf("got %+v, %v", got, err)
		}
		if seen, ok := r.Lookup(e.ID); !ok || seen.Revision != got.Revision {
			t.Errorf("the registry holds revision %d, the bucket %d", seen.Revision, got.Revision)
		}
		return r
	}
	plain, err := openWith(t, bus, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := plain.Create(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(stored(t, bus, e.ID), "Geheimnis") {
		t.Fatal("sealed without a key: the test sees nothing")
	}
	must(ring(t, oneKey))
	sealed := stored(t, bus, e.ID)
	if strings.Contains(sealed, "Geheimnis") {
		t.Errorf("in clear: %s", sealed)
	}
	must(ring(t, oneKey))
	if stored(t, bus, e.ID) != sealed {
		t.Error("sealed anew without a reason")
	}
	for name, keys := range map[string]*config.Keyring{"removed": nil, "wrong": ring(t, anotherKey)} {
		if _, err := openWith(t, bus, keys); !errors.Is(err, endpoint.ErrSealed) || !strings.Contains(err.Error(), "JETHOOK_ENCRYPTION_KEY") {
			t.Errorf("%s: %v", name, err)
		}
	}
	must(ring(t, anotherKey, oneKey))
	must(ring(t, anotherKey))
}

// A process whose key does not open what another one stores stops: it would pass over that endpoint's events.
func TestRunStopsAtAnEndpointItCannotOpen(t *testing.T) {
	t.Parallel()
	bus := openBus(t)
	behind, err := openWith(t, bus, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- behind.Run(ctx, bus.Restored, func(endpoint.Change) {}) }()
	ahead, err := openWith(t, bus, ring(t, oneKey))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ahead.Create(t.Context(), confidentialEndpoint(t)); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, endpoint.ErrSealed) {
		t.Errorf("Run ended with %v", err)
	}
}

// An id is used once: who makes an endpoint again by the same id learns that it is there, or was.
func TestCreateOnlyOnce(t *testing.T) {
	t.Parallel()
	bus := openBus(t)
	r, _ := process(t, bus)
	e := newEndpoint(t, "events.>")
	e.ID = endpoint.IDOf("a key")
	if e.ID != endpoint.IDOf("a key") || e.ID == endpoint.IDOf("a key ") {
		t.Error("the id does not follow from the key")
	}
	if _, err := r.Create(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Create(t.Context(), e); !errors.Is(err, endpoint.ErrExists) {
		t.Errorf("a second time: %v", err)
	}
	refuse := errors.New("no")
	if err := r.DeleteIf(t.Context(), e.ID, func(*endpoint.Endpoint) error { return refuse }); !errors.Is(err, refuse) {
		t.Errorf("removed against an objection: %v", err)
	}
	if err := r.Delete(t.Context(), e.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Create(t.Context(), e); !errors.Is(err, endpoint.ErrExists) {
		t.Errorf("after it was removed: %v", err)
	}
}
