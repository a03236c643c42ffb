package keys

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"jethook/ingest/provider"
)

// site is a sender's server, a Source that trusts it, and the Source's clock.
type site struct {
	*Source
	url    string
	asked  atomic.Int32
	answer atomic.Pointer[http.HandlerFunc]
	clock  time.Time
}

func newSite(t *testing.T, answer http.HandlerFunc) *site {
	s := &site{Source: New(t.Context()), clock: time.Unix(1_790_000_000, 0)}
	s.answer.Store(&answer)
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		(*s.answer.Load())(w, r)
	}))
	t.Cleanup(server.Close)
	s.url = server.URL + "/keys"
	s.client.Transport = server.Client().Transport
	s.now = func() time.Time { return s.clock }
	return s
}

func text(s string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, s) }
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func (s *site) becomes(answer http.HandlerFunc) { s.answer.Store(&answer) }

// fetch wants a document, or an error if want is empty, after so many requests in all.
func (s *site) fetch(t *testing.T, r provider.KeyRequest, want string, asked int32) error {
	t.Helper()
	got, err := s.Fetch(r)
	if string(got) != want || (err != nil) != (want == "") || s.asked.Load() != asked {
		t.Errorf("%q, %v after %d requests; want %q after %d", got, err, s.asked.Load(), want, asked)
	}
	return err
}

func TestKept(t *testing.T) {
	t.Parallel()
	s := newSite(t, text("one"))
	r, newer := provider.KeyRequest{URL: s.url}, provider.KeyRequest{URL: s.url, Newer: true}
	s.fetch(t, r, "one", 1)
	s.becomes(text("two"))
	s.fetch(t, r, "one", 1)
	s.fetch(t, newer, "one", 1) // within the cooldown
	s.clock = s.clock.Add(cooldown)
	s.fetch(t, r, "one", 1)
	s.fetch(t, newer, "two", 2)
	s.fetch(t, newer, "two", 2)
	s.becomes(text("three"))
	s.clock = s.clock.Add(fresh)
	s.fetch(t, r, "three", 3)
}

func TestOutage(t *testing.T) {
	t.Parallel()
	s := newSite(t, status(503))
	r := provider.KeyRequest{URL: s.url}
	s.fetch(t, r, "", 1)
	s.becomes(text("one"))
	s.fetch(t, r, "", 1) // within the pause
	s.clock = s.clock.Add(pause)
	s.fetch(t, r, "one", 2)
	s.becomes(status(500))
	s.clock = s.clock.Add(fresh)
	s.fetch(t, r, "one", 3)
	s.fetch(t, r, "one", 3)
	s.clock = s.clock.Add(stale - fresh)
	s.fetch(t, r, "", 4)
}

func TestRefusedAnswers(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]http.HandlerFunc{
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://elsewhere.example", http.StatusFound)
		},
		"not found": status(404),
		"too large": text(strings.Repeat("x", maxBytes+1)),
		"cut off": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, "x")
		},
	} {
		s := newSite(t, answer)
		t.Log(name)
		s.fetch(t, provider.KeyRequest{URL: s.url}, "", 1)
	}
	s := newSite(t, text(strings.Repeat("x", maxBytes)))
	s.fetch(t, provider.KeyRequest{URL: s.url}, strings.Repeat("x", maxBytes), 1)
	s.fetch(t, provider.KeyRequest{URL: strings.Replace(s.url, "https:", "http:", 1)}, "", 1)
}

// TestPost: what is posted may hold a secret, which no error tells, and makes another document.
func TestPost(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		io.Copy(w, r.Body)
	})
	s.fetch(t, provider.KeyRequest{URL: s.url, Body: []byte("s3cret 1")}, "s3cret 1", 1)
	s.fetch(t, provider.KeyRequest{URL: s.url, Body: []byte("s3cret 2")}, "s3cret 2", 2)
	s.becomes(status(400))
	if err := s.fetch(t, provider.KeyRequest{URL: s.url, Body: []byte("s3cret 3")}, "", 3); err != nil && strings.Contains(err.Error(), "s3cret") {
		t.Errorf("the error tells the secret: %v", err)
	}
}

func TestOneAtATime(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	s := newSite(t, func(w http.ResponseWriter, _ *http.Request) {
		<-release
		io.WriteString(w, "one")
	})
	var calls sync.WaitGroup
	for range 10 {
		calls.Go(func() {
			if got, err := s.Fetch(provider.KeyRequest{URL: s.url}); string(got) != "one" {
				t.Errorf("%q %v", got, err)
			}
		})
	}
	close(release)
	calls.Wait()
	if n := s.asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

// TestBounds: keys that a stranger makes up cost a bounded number of requests and documents.
func TestBounds(t *testing.T) {
	t.Parallel()
	s := newSite(t, text("x"))
	var busy int
	for i := range 3 * burst {
		_, err := s.Fetch(provider.KeyRequest{URL: s.url, Body: []byte{byte(i)}})
		if errors.Is(err, ErrBusy) {
			busy++
		}
	}
	if n := s.asked.Load(); n != burst || busy != 2*burst {
		t.Errorf("asked %d times, busy %d", n, busy)
	}
	for i := range 2 * maxKept {
		s.keep(string(rune(i)), nil, nil)
	}
	if n := len(s.kept); n != maxKept {
		t.Errorf("%d documents", n)
	}
}
