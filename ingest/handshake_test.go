package ingest

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"jethook/config"
	"jethook/publish/failure"
	"jethook/publish/sources"
	"jethook/publish/topology"
)

// following is a server over HTTP that takes over what others learn, until the test ends.
func following(t *testing.T, o Options) string {
	t.Helper()
	o.Log, o.MaxBody = slog.New(slog.DiscardHandler), 1<<20
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	h := httptest.NewServer(s.Handler())
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := s.Follow(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { h.Close(); cancel(); running.Wait() })
	return h.URL
}

func hexMAC(key, body string) string {
	m := hmac.New(sha256.New, []byte(key))
	m.Write([]byte(body))
	return hex.EncodeToString(m.Sum(nil))
}

// asana posts as Asana does, to the source or to the address of its pairing: a handshake with a secret of its choice, or
// an event signed with it.
func asana(t *testing.T, url, secret, body string) int {
	t.Helper()
	h := http.Header{"X-Hook-Signature": {hexMAC(secret, body)}}
	if body == "" {
		h = http.Header{"X-Hook-Secret": {secret}}
	}
	resp, _ := do(t, request(t, url, body, h))
	if echoed := resp.Header.Get("X-Hook-Secret"); body == "" && (echoed == secret) != (resp.StatusCode == 200) {
		t.Errorf("handshake answered %s with the secret %q", resp.Status, echoed)
	}
	return resp.StatusCode
}

// paired is the address at which the source takes a secret.
func (r *rig) paired(t *testing.T, url string) string {
	t.Helper()
	nonce, err := r.bus.Sources().Pair(t.Context(), "asana", time.Now().Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	return url + "?pair=" + nonce
}

const asanaEvent = `{"events":[{"action":"changed","resource":{"gid":"1"}}]}`

func TestSenderHandsItsSecretOver(t *testing.T) {
	t.Parallel()
	rig := newRig(t)
	o := Options{
		Sources: []config.Source{{Name: "asana", Provider: "asana", Split: true}}, Publisher: rig.bus, Learner: rig.bus.Sources(), Rejecter: rig.bus.Rejected(),
	}
	one, other := following(t, o)+"/webhooks/asana", following(t, o)+"/webhooks/asana"

	// A stranger may be faster than the sender, before an operator expects one and while he does.
	for _, address := range []string{one, one + "?pair=", one + "?pair=NPUTH4FJ6CFHRVEGRPVMR5QFQM"} {
		if got := asana(t, address, "strange-secret", ""); got != 401 {
			t.Errorf("a stranger's handshake at %s: %d, want 401", address, got)
		}
	}
	paired := rig.paired(t, one)
	until(t, "the handshake is taken at the address for it", func() bool {
		return asana(t, one, "strange-secret", "") == 401 && asana(t, paired, "first-secret", "") == 200
	})
	if got := asana(t, one, "first-secret", asanaEvent); got != 200 {
		t.Errorf("after the handshake: %d", got)
	}
	if got := asana(t, paired, "first-secret", asanaEvent); got != 200 {
		t.Errorf("at the address that the sender has: %d", got)
	}
	if got := asana(t, one, "first-secret", ""); got != 200 {
		t.Errorf("the same handshake again: %d", got)
	}
	until(t, "the other process knows the secret", func() bool { return asana(t, other, "first-secret", asanaEvent) == 200 })
	if got := asana(t, following(t, o)+"/webhooks/asana", "strange-secret", asanaEvent); got != 401 { // and after a restart
		t.Errorf("a stranger's event: %d", got)
	}
	if rig.last(t).Subject != "webhooks.asana.changed" {
		t.Errorf("stored on %s", rig.last(t).Subject)
	}

	// The address is good for one secret.
	if got := asana(t, paired, "strange-secret", ""); got != 401 {
		t.Errorf("a second handshake: %d, want 401", got)
	}
	if got := asana(t, one, "strange-secret", asanaEvent); got != 401 {
		t.Errorf("a stranger's event after it: %d, want 401", got)
	}
	again := rig.paired(t, one)
	until(t, "a second handshake is taken", func() bool { return asana(t, again, "second-secret", "") == 200 })
	for _, secret := range []string{"first-secret", "second-secret"} {
		if got := asana(t, one, secret, asanaEvent); got != 200 {
			t.Errorf("signed with the %s: %d", secret, got)
		}
	}

	state, err := rig.bus.Sources().Get(t.Context(), "asana")
	if err != nil || len(state.Secrets) != 2 || state.Secrets[0].Value.Reveal() != "second-secret" {
		t.Errorf("kept %d secrets, %v", len(state.Secrets), err)
	}
	forgotten := rig.paired(t, one)
	if err := rig.bus.Sources().Forget(t.Context(), "asana"); err != nil {
		t.Fatal(err)
	}
	until(t, "forgotten secrets count no more", func() bool { return asana(t, one, "first-secret", asanaEvent) == 401 })
	if got := asana(t, forgotten, "strange-secret", ""); got != 401 {
		t.Errorf("a handshake at an address that was forgotten: %d, want 401", got)
	}
}

// TestPairingIsReplaced: an address after which another was given opens nothing.
func TestPairingIsReplaced(t *testing.T) {
	t.Parallel()
	rig := newRig(t)
	url := following(t, Options{Sources: []config.Source{{Name: "asana", Provider: "asana"}}, Publisher: rig.bus, Learner: rig.bus.Sources()}) + "/webhooks/asana"
	earlier := rig.paired(t, url)
	paired := rig.paired(t, url)
	until(t, "the handshake is taken at the newer one", func() bool {
		return asana(t, earlier, "strange-secret", "") == 401 && asana(t, paired, "first-secret", "") == 200
	})
}

// TestPairingIsForOne: of many that show the nonce at once, at two processes, one secret is taken.
func TestPairingIsForOne(t *testing.T) {
	t.Parallel()
	rig := newRig(t)
	o := Options{Sources: []config.Source{{Name: "asana", Provider: "asana"}}, Publisher: rig.bus, Learner: rig.bus.Sources()}
	servers := []string{following(t, o) + "/webhooks/asana", following(t, o) + "/webhooks/asana"}
	_, query, _ := strings.Cut(rig.paired(t, ""), "?")
	var taken atomic.Int32
	until(t, "somebody is taken", func() bool {
		var all sync.WaitGroup
		for i := range 16 {
			all.Go(func() {
				if asana(t, servers[i%2]+"?"+query, fmt.Sprint("secret-number-", i), "") == 200 {
					taken.Add(1)
				}
			})
		}
		all.Wait()
		return taken.Load() > 0
	})
	if state, err := rig.bus.Sources().Get(t.Context(), "asana"); err != nil || taken.Load() != 1 || len(state.Secrets) != 1 {
		t.Errorf("%d taken, %d kept, %v; want one", taken.Load(), len(state.Secrets), err)
	}
}

// TestEarlierReleasesState: the secrets that an earlier release kept verify, and its open pairing opens nothing.
func TestEarlierReleasesState(t *testing.T) {
	t.Parallel()
	rig := newRig(t)
	kv, err := rig.js.KeyValue(t.Context(), topology.BucketSources)
	if err != nil {
		t.Fatal(err)
	}
	record := `{"secrets":[{"value":"known","at":"2026-01-02T15:04:05Z"}],"pair_until":"` + time.Now().Add(time.Hour).Format(time.RFC3339) + `"}`
	if _, err := kv.PutString(t.Context(), "asana", record); err != nil {
		t.Fatal(err)
	}
	url := following(t, Options{Sources: []config.Source{{Name: "asana", Provider: "asana"}}, Publisher: rig.bus, Learner: rig.bus.Sources()}) + "/webhooks/asana"
	until(t, "the secret is known", func() bool { return asana(t, url, "known", asanaEvent) == 200 })
	if got := asana(t, url, "strange-secret", ""); got != 401 {
		t.Errorf("another secret: %d, want 401", got)
	}
	paired := rig.paired(t, url)
	until(t, "another one is taken once it is paired", func() bool { return asana(t, paired, "second-secret", "") == 200 })
	for _, secret := range []string{"known", "second-secret"} {
		if got := asana(t, url, secret, asanaEvent); got != 200 {
			t.Errorf("signed with %s: %d", secret, got)
		}
	}
}

// until waits for something that another goroutine brings about.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("not so within 20 s: %s", what)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func TestHandshakeWithoutAStoreIsNotAnswered(t *testing.T) {
	t.Parallel()
	rig := newRig(t)
	known, end := context.WithCancel(t.Context())
	s, err := New(Options{
		Sources: []config.Source{{Name: "asana", Provider: "asana"}}, Publisher: rig.bus, Learner: failing{rig.bus.Sources(), end},
		MaxBody: 1 << 20, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	url := serveHandler(t, s) + "/webhooks/asana"
	paired := rig.paired(t, url)
	if err := s.Follow(known); err != nil { // until it has heard of the pairing
		t.Fatal(err)
	}
	if got := asana(t, paired, "first-secret", ""); got != 503 {
		t.Errorf("status %d, want 503", got)
	}
	if got := asana(t, url, "first-secret", asanaEvent); got != 401 {
		t.Errorf("an event after it: %d, want 401", got)
	}
}

// failing is a store of secrets that goes away as soon as it has told what it knows.
type failing struct {
	*sources.Sources
	end context.CancelFunc
}

func (failing) Learn(context.Context, string, config.Secret, string, time.Time) (sources.State, error) {
	return sources.State{}, failure.ErrUnavailable
}

func (f failing) Watch(ctx context.Context, changed func(string, sources.State, error)) error {
	return f.Sources.Watch(ctx, func(source string, state sources.State, err error) {
		changed(source, state, err)
		f.end()
	})
}

// amazon answers as Amazon's hosts would.
type amazon struct {
	certs map[string]string
	down  bool // for confirmations

	mu    sync.Mutex // guards asked
	asked []string
}

func (a *amazon) RoundTrip(r *http.Request) (*http.Response, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	address := r.URL.String()
	a.asked = append(a.asked, address)
	if a.down && a.certs[address] == "" {
		return nil, errors.New("no route")
	}
	return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(a.certs[address])), Request: r}, nil
}

func (a *amazon) all() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.asked)
}

func TestSubscriptionIsConfirmed(t *testing.T) {
	t.Parallel()
	v := readVector(t, "aws-sns-10")
	var message struct{ SubscribeURL string }
	if err := json.Unmarshal([]byte(v.Body), &message); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		down           bool
		body           string
		status         int
		confirms, keys int
	}{
		"confirmed":    {false, v.Body, 200, 1, 1},
		"out of reach": {true, v.Body, 503, 1, 1},
		"forged":       {false, strings.Replace(v.Body, "Token", "Tokem", 1), 401, 0, -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			host := &amazon{certs: v.Options.Certs, down: test.down}
			kept := &drawer{}
			o := v.options(accepting)
			o.Rejecter, o.Web = kept, &http.Client{Transport: host}
			resp, body := do(t, request(t, serve(t, o)+"/webhooks/aws-sns", test.body, v.header()))
			if resp.StatusCode != test.status {
				t.Errorf("status %d, want %d: %s", resp.StatusCode, test.status, body)
			}
			confirms := slices.DeleteFunc(slices.Clone(host.asked), func(a string) bool { return a != message.SubscribeURL })
			if len(confirms) != test.confirms || test.keys >= 0 && len(host.asked)-len(confirms) != test.keys {
				t.Errorf("asked for %q", host.asked)
			}
			if len(kept.all()) != 0 != (test.status == 401) {
				t.Errorf("%d rejected requests kept", len(kept.all()))
			}
		})
	}
}

// A key that can't be had is no fault of the sender.
func TestMissingKeyIsOurFault(t *testing.T) {
	t.Parallel()
	v := readVector(t, "aws-sns-10")
	kept := &drawer{}
	o := v.options(accepting)
	o.Rejecter, o.Web = kept, &http.Client{Transport: &amazon{down: true}}
	resp, body := do(t, request(t, serve(t, o)+"/webhooks/aws-sns", v.Body, nil))
	wantError(t, resp, body, 503, "unavailable")
	if len(kept.all()) != 0 {
		t.Error("kept as rejected")
	}
}

func TestEventsOfOneRequest(t *testing.T) {
	t.Parallel()
	rig := newRig(t)
	line := config.Source{Name: "line", Provider: "line", Secrets: []config.Secret{config.NewSecret("key")}, Split: true}
	whole := line
	whole.Name, whole.Split = "whole", false
	url := serve(t, Options{Sources: []config.Source{line, whole}, Publisher: rig.bus})
	post := func(source, body string) {
		t.Helper()
		m := hmac.New(sha256.New, []byte("key"))
		m.Write([]byte(body))
		resp, answer := do(t, request(t, url+"/webhooks/"+source, body, http.Header{
			"X-Line-Signature": {base64.StdEncoding.EncodeToString(m.Sum(nil))}, "Content-Type": {"application/json; charset=utf-8"},
		}))
		if resp.StatusCode != 200 {
			t.Fatalf("%d %s", resp.StatusCode, answer)
		}
	}
	const body = `{"destination":"U1","events":[ {"type":"message","webhookEventId":"a","text":"\u00e9"} ,{"type":"follow","webhookEventId":"b"}]}`
	for range 2 { // the second time both are known
		post("line", body)
	}
	post("line", `{"destination":"U1","events":[]}`) // how LINE tries the address
	if got := rig.stored(t); got != 2 {
		t.Fatalf("%d events stored, want 2", got)
	}
	for seq, want := range []struct{ subject, id, body string }{
		{"webhooks.line.message", "a", `{"type":"message","webhookEventId":"a","text":"\u00e9"}`},
		{"webhooks.line.follow", "b", `{"type":"follow","webhookEventId":"b"}`},
	} {
		var got *jetstream.RawStreamMsg
		got, err := rig.stream.GetMsg(t.Context(), uint64(seq+1))
		if err != nil {
			t.Fatal(err)
		}
		if got.Subject != want.subject || got.Header.Get("Jethook-Id") != want.id || string(got.Data) != want.body || got.Header.Get("X-Line-Signature") == "" {
			t.Errorf("stored %s %v %s", got.Subject, got.Header, got.Data)
		}
	}
	post("line", strings.Replace(body, `"b"`, `"c"`, 1)) // one known, one new
	if got := rig.stored(t); got != 3 {
		t.Errorf("%d events stored, want 3", got)
	}
	post("whole", body)
	if last := rig.last(t); rig.stored(t) != 4 || string(last.Data) != body || last.Subject != "webhooks.whole.message" {
		t.Errorf("kept whole: %s %s", last.Subject, last.Data)
	}
}
