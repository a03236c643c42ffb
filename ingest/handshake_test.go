package ingest

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"jethook/config"
	"jethook/publish"
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

// asana posts as Asana does: a handshake with a secret of its choice, or an event signed with it.
func asana(t *testing.T, url, secret, body string) int {
	t.Helper()
	h := http.Header{"X-Hook-Signature": {hexMAC(secret, body)}}
	if body == "" {
		h = http.Header{"X-Hook-Secret": {secret}}
	}
	resp, _ := do(t, request(t, url+"/webhooks/asana", body, h))
	if body == "" && resp.StatusCode == 200 && resp.Header.Get("X-Hook-Secret") != secret {
		t.Errorf("handshake answered without its secret: %v", resp.Header)
	}
	return resp.StatusCode
}

const asanaEvent = `{"events":[{"action":"changed","resource":{"gid":"1"}}]}`

func TestSenderHandsItsSecretOver(t *testing.T) {
	t.Parallel()
	rig := newRig(t)
	o := Options{
		Sources: []config.Source{{Name: "asana", Provider: "asana", Split: true}}, Publisher: rig.bus, Learner: rig.bus.Sources(), Rejecter: rig.bus,
	}
	one, other := following(t, o), following(t, o)

	if got := asana(t, one, "first", asanaEvent); got != 401 {
		t.Errorf("before the handshake: %d, want 401", got)
	}
	if got := asana(t, one, "first", ""); got != 200 {
		t.Fatalf("handshake: %d", got)
	}
	if got := asana(t, one, "first", asanaEvent); got != 200 {
		t.Errorf("after the handshake: %d", got)
	}
	until(t, "the other process knows the secret", func() bool { return asana(t, other, "first", asanaEvent) == 200 })
	if got := asana(t, following(t, o), "strange", asanaEvent); got != 401 { // and after a restart
		t.Errorf("a stranger's event: %d", got)
	}
	if rig.last(t).Subject != "webhooks.asana.changed" {
		t.Errorf("stored on %s", rig.last(t).Subject)
	}

	// A stranger that knows the address must not become a sender.
	if got := asana(t, one, "strange", ""); got != 401 {
		t.Errorf("a second handshake: %d, want 401", got)
	}
	if got := asana(t, one, "strange", asanaEvent); got != 401 {
		t.Errorf("a stranger's event after it: %d, want 401", got)
	}
	// Unless an operator expects a second webhook.
	if err := rig.bus.Sources().Pair(t.Context(), "asana", time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	until(t, "a second handshake is taken", func() bool { return asana(t, one, "second", "") == 200 })
	for _, secret := range []string{"first", "second"} {
		if got := asana(t, one, secret, asanaEvent); got != 200 {
			t.Errorf("signed with the %s secret: %d", secret, got)
		}
	}
	if got := asana(t, one, "third", ""); got != 401 {
		t.Errorf("a handshake after pairing: %d, want 401", got)
	}

	state, err := rig.bus.Sources().Get(t.Context(), "asana")
	if err != nil || len(state.Secrets) != 2 || state.Secrets[0].Value.Reveal() != "second" {
		t.Errorf("kept %d secrets, %v", len(state.Secrets), err)
	}
	if err := rig.bus.Sources().Forget(t.Context(), "asana"); err != nil {
		t.Fatal(err)
	}
	until(t, "forgotten secrets count no more", func() bool { return asana(t, one, "first", asanaEvent) == 401 })
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

// TestAStrangerIsNotFaster: a process that has not heard yet of the secret takes no other one.
func TestAStrangerIsNotFaster(t *testing.T) {
	t.Parallel()
	rig := newRig(t)
	sources := []config.Source{{Name: "asana", Provider: "asana"}}
	deaf := serve(t, Options{Sources: sources, Publisher: rig.bus, Learner: rig.bus.Sources()}) // follows nothing
	if _, err := rig.bus.Sources().Learn(t.Context(), "asana", config.NewSecret("first"), time.Now()); err != nil {
		t.Fatal(err)
	}
	if got := asana(t, deaf, "strange", ""); got != 401 {
		t.Errorf("a stranger's handshake: %d, want 401", got)
	}
	if got := asana(t, deaf, "strange", asanaEvent); got != 401 {
		t.Errorf("a stranger's event: %d, want 401", got)
	}
	if got := asana(t, deaf, "first", asanaEvent); got != 200 {
		t.Errorf("the sender's event, of whose secret it has heard by then: %d", got)
	}
	state, err := rig.bus.Sources().Get(t.Context(), "asana")
	if err != nil || len(state.Secrets) != 1 {
		t.Errorf("kept %d secrets, %v", len(state.Secrets), err)
	}
}

func TestHandshakeWithoutAStoreIsNotAnswered(t *testing.T) {
	t.Parallel()
	rig := newRig(t)
	url := serve(t, Options{Sources: []config.Source{{Name: "asana", Provider: "asana"}}, Publisher: rig.bus, Learner: failing{}})
	if got := asana(t, url, "first", ""); got != 503 {
		t.Errorf("status %d, want 503", got)
	}
	if got := asana(t, url, "first", asanaEvent); got != 401 {
		t.Errorf("an event after it: %d, want 401", got)
	}
}

// failing is a store of secrets that is away.
type failing struct{}

func (failing) Learn(context.Context, string, config.Secret, time.Time) (publish.SourceState, error) {
	return publish.SourceState{}, publish.ErrUnavailable
}

func (failing) Watch(ctx context.Context, _ func(string, publish.SourceState, error)) error {
	<-ctx.Done()
	return nil
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
