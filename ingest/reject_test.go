package ingest

import (
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"jethook/config"
	"jethook/ingest/header"
	"jethook/publish/quarantine"
)

// drawer keeps rejected requests in memory.
type drawer struct {
	mu   sync.Mutex // guards kept
	kept []*quarantine.Request
}

func (d *drawer) Reject(r *quarantine.Request, done func(error)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.kept = append(d.kept, r)
	done(nil)
}

func (d *drawer) all() []*quarantine.Request {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.kept
}

// keyed is a source like plain, with another secret.
func keyed(name, secret string) config.Source {
	src := plain(name)
	src.Secrets = []config.Secret{config.NewSecret(secret)}
	return src
}

func TestRejectedAreKeptForLater(t *testing.T) {
	t.Parallel()
	rig := newRig(t)
	kept := &drawer{}
	url := serve(t, Options{Sources: []config.Source{keyed("plain", "wrong")}, Publisher: rig.bus, Rejecter: kept})
	before := time.Now().UTC()
	r := signed(t, url+"/webhooks/plain?a=1", `{"type":"order.paid","id":"evt_1"}`)
	r.Header.Set("Authorization", "Bearer proxy")
	r.Header.Set("Cookie", "session=1")
	if resp, _ := do(t, r); resp.StatusCode != 401 {
		t.Fatal(resp.Status)
	}
	if resp, _ := do(t, request(t, url+"/webhooks/nobody", "{}", nil)); resp.StatusCode != 404 {
		t.Fatal(resp.Status)
	}
	all := kept.all()
	if len(all) != 1 {
		t.Fatalf("%d kept, want 1", len(all))
	}
	got := all[0]
	if got.Source != "plain" || got.Reason != "bad_signature" || got.Method != "POST" || got.Query != "a=1" || got.Remote != "127.0.0.1" ||
		string(got.Body) != `{"type":"order.paid","id":"evt_1"}` || got.Size != len(got.Body) || got.Received.Before(before) {
		t.Errorf("kept %+v", got)
	}
	if got.Header.Get("X-Polaris-Signature") == "" || got.Header.Get("Authorization") != header.LeftOut || got.Header.Get("Cookie") != header.LeftOut {
		t.Errorf("kept headers %v", got.Header)
	}

	verify := func(src config.Source) (string, error) {
		s, err := New(Options{
			Sources: []config.Source{src}, Publisher: rig.bus, MaxBody: 1 << 20, Log: slog.New(slog.DiscardHandler),
			// The clock is of another day: it is the request's arrival that counts.
			Now: func() time.Time { return before.Add(24 * time.Hour) },
		})
		if err != nil {
			t.Fatal(err)
		}
		return s.Reverify(t.Context(), got)
	}
	if reason, err := verify(keyed("plain", "wrong")); reason != "bad_signature" || err != nil || rig.stored(t) != 0 {
		t.Errorf("still wrong: %q, %v, %d stored", reason, err, rig.stored(t))
	}
	for range 2 { // the second time it is a duplicate
		if reason, err := verify(plain("plain")); reason != "" || err != nil || rig.stored(t) != 1 {
			t.Errorf("right: %q, %v, %d stored", reason, err, rig.stored(t))
		}
	}
	if last := rig.last(t); last.Subject != "webhooks.plain.order.paid" || last.Header.Get("Authorization") != "" {
		t.Errorf("stored %s %v", last.Subject, last.Header)
	}
	if _, err := verify(plain("other")); err == nil {
		t.Error("a source that is gone verifies")
	}
}

func TestRejectedTokenIsKept(t *testing.T) {
	t.Parallel()
	kept := &drawer{}
	src := config.Source{Name: "tok", Provider: "token", Header: "Authorization", Prefix: "Bearer", Secrets: []config.Secret{config.NewSecret("wrong")}}
	url := serve(t, Options{Sources: []config.Source{src}, Publisher: accepting, Rejecter: kept})
	do(t, request(t, url+"/webhooks/tok", "{}", http.Header{"Authorization": {"Bearer right"}, "X-Api-Key": {"proxy"}}))
	// Without it the request could not be verified again.
	if h := kept.all()[0].Header; h.Get("Authorization") != "Bearer right" || h.Get("X-Api-Key") != header.LeftOut {
		t.Errorf("kept %v", h)
	}
}

func TestRejectedAreBounded(t *testing.T) {
	t.Parallel()
	kept := &drawer{}
	now := time.Now()
	const maxBody = 4 << 20
	url := serve(t, Options{
		Sources: []config.Source{keyed("a", "wrong"), keyed("b", "wrong")}, Publisher: accepting, Rejecter: kept, MaxBody: maxBody,
		Now: func() time.Time { return now },
	})
	post := func(source, body string) {
		if resp, _ := do(t, signed(t, url+"/webhooks/"+source, body)); resp.StatusCode != 401 {
			t.Fatal(resp.Status)
		}
	}
	for range rejectedBurst + 50 {
		post("a", "{}")
	}
	if got := len(kept.all()); got != rejectedBurst {
		t.Errorf("%d of one source kept, want %d", got, rejectedBurst)
	}
	large := strings.Repeat("x", maxBody)
	for range 8 {
		post("b", large)
	}
	whole := 0
	for _, r := range kept.all()[rejectedBurst:] {
		if r.Size != maxBody || r.NoBody != (len(r.Body) < maxBody) || r.NoBody != (len(r.Sum) == 64) || !strings.HasPrefix(large, string(r.Body)) || len(r.Body) == 0 {
			t.Errorf("kept %d of %d bytes, no body %t", len(r.Body), r.Size, r.NoBody)
		}
		if !r.NoBody {
			whole++
		}
	}
	if whole < 1 || whole > 4 || whole == len(kept.all())-rejectedBurst {
		t.Errorf("%d large bodies kept, want some", whole)
	}
	now = now.Add(time.Second)
	post("a", "{}")
	if last := kept.all()[len(kept.all())-1]; last.Source != "a" {
		t.Error("after a pause nothing is kept")
	}
}

// Bots that look around with other methods are no senders with a wrong secret.
func TestOtherMethodsAreNotKept(t *testing.T) {
	t.Parallel()
	kept := &drawer{}
	url := serve(t, Options{Sources: []config.Source{plain("plain")}, Publisher: accepting, Rejecter: kept})
	for _, method := range []string{"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"} {
		r := signed(t, url+"/webhooks/plain", "")
		r.Method = method
		if resp, _ := do(t, r); resp.StatusCode != 405 || resp.Header.Get("Allow") != "POST" {
			t.Errorf("%s: %s, Allow %q", method, resp.Status, resp.Header.Get("Allow"))
		}
	}
	if got := kept.all(); len(got) != 0 {
		t.Errorf("%d kept", len(got))
	}
}
