package fetch

import (
	"errors"
	"fmt"
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

// library serves documents and counts how often it was asked.
type library struct {
	*httptest.Server
	asked  atomic.Int32
	status atomic.Int32
}

func newLibrary(t *testing.T) *library {
	l := &library{}
	l.status.Store(200)
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := l.asked.Add(1)
		body, _ := io.ReadAll(r.Body)
		switch r.URL.Path {
		case "/away":
			http.Redirect(w, r, "/keys", http.StatusFound)
		case "/huge":
			w.Write(make([]byte, maxDocument+1))
		default:
			w.WriteHeader(int(l.status.Load()))
			fmt.Fprintf(w, "%s %s %s %d", r.Method, r.URL.Path, body, n)
		}
	}))
	t.Cleanup(l.Close)
	return l
}

func TestFetcherKeepsDocuments(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	now := time.Now()
	f := New(NewClient(), func() time.Time { return now })
	fetch := func(newer bool, want string) {
		t.Helper()
		got, err := f.Fetch(provider.KeyRequest{URL: l.URL + "/keys", Newer: newer})
		if want == "" && err == nil || want != "" && (err != nil || string(got) != "GET /keys  "+want) {
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
	}
	var all sync.WaitGroup
	for range 20 { // at once
		all.Go(func() { fetch(false, "1") })
	}
	all.Wait()
	fetch(true, "1") // a stranger that makes names of keys up
	now = now.Add(fetchPause)
	fetch(false, "1")
	fetch(true, "2")
	now = now.Add(keepDocument)
	fetch(false, "3")

	l.status.Store(500)
	now = now.Add(keepDocument)
	fetch(false, "3") // the fourth time it fails, and what is there will do
	fetch(false, "3")
	if got := l.asked.Load(); got != 4 {
		t.Errorf("asked %d times, want 4", got)
	}
	now = now.Add(keepStale)
	fetch(false, "")
	fetch(false, "")
	if got := l.asked.Load(); got != 5 {
		t.Errorf("asked %d times, want 5", got)
	}
	l.status.Store(200)
	now = now.Add(fetchPause)
	fetch(false, "6")
}

func TestFetcherTellsRequestsApart(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	f := New(NewClient(), time.Now)
	for _, body := range []string{"a", "b", "a"} {
		got, err := f.Fetch(provider.KeyRequest{URL: l.URL + "/keys", Body: []byte(body)})
		if err != nil || !strings.HasPrefix(string(got), "POST /keys "+body) {
			t.Errorf("%q, %v", got, err)
		}
	}
	if got := l.asked.Load(); got != 2 {
		t.Errorf("asked %d times, want 2", got)
	}
	for i := range 2 * maxDocuments { // names that a stranger makes up
		f.keep(fmt.Sprint(i), nil, errors.New("not found"))
	}
	if len(f.kept) != maxDocuments {
		t.Errorf("%d documents kept, want %d", len(f.kept), maxDocuments)
	}
	if _, err := f.Fetch(provider.KeyRequest{URL: l.URL + "/keys", Body: []byte("a")}); err != nil || l.asked.Load() != 2 {
		t.Errorf("what was there is forgotten: %v", err)
	}
}

func TestFetcherBoundsItsFetches(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	now := time.Now()
	f := New(NewClient(), func() time.Time { return now })
	for i := range 3 * fetchBurst { // names of keys that a stranger makes up
		f.Fetch(provider.KeyRequest{URL: l.URL + "/keys", Body: fmt.Append(nil, i)}) //nolint:errcheck // most fail
	}
	if got := l.asked.Load(); got != fetchBurst {
		t.Errorf("asked %d times, want %d", got, fetchBurst)
	}
	kept := provider.KeyRequest{URL: l.URL + "/keys", Body: []byte("0")}
	if text, err := f.Fetch(kept); err != nil || text == nil {
		t.Errorf("what is kept: %q, %v", text, err)
	}
	f.now = func() time.Time { return now.Add(keepDocument) }
	f.limiter.SetLimit(0)
	if text, err := f.Fetch(kept); err != nil || !strings.HasSuffix(string(text), fmt.Sprint(fetchBurst+1)) {
		t.Errorf("what is kept, when it is asked for anew: %q, %v", text, err)
	}
}

// TestFixedAddressesNeedNoBudget: what has but one address is fetched when the budget is used up, and still only once.
func TestFixedAddressesNeedNoBudget(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	now := time.Now()
	f := New(NewClient(), func() time.Time { return now })
	f.limiter.SetBurst(0)
	if _, err := f.Fetch(provider.KeyRequest{URL: l.URL + "/certs/1"}); !errors.Is(err, errTooManyFetches) {
		t.Errorf("a name of a request's: %v", err)
	}
	l.status.Store(500)
	var all sync.WaitGroup
	for range 20 { // at once, and while it can't be had
		all.Go(func() { f.Fetch(provider.KeyRequest{URL: l.URL + "/keys", Fixed: true}) }) //nolint:errcheck // it fails
	}
	all.Wait()
	if got := l.asked.Load(); got != 1 {
		t.Errorf("asked %d times, want once", got)
	}
	l.status.Store(200)
	now = now.Add(fetchPause)
	if text, err := f.Fetch(provider.KeyRequest{URL: l.URL + "/keys", Fixed: true}); err != nil || len(text) == 0 {
		t.Errorf("the row's address: %q, %v", text, err)
	}
}

func TestFetcherRefuses(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	gone := httptest.NewServer(nil)
	gone.Close()
	for _, address := range []string{l.URL + "/away?token=secret", l.URL + "/huge?token=secret", gone.URL + "/?token=secret", "http://a b/?token=secret"} {
		_, err := New(NewClient(), time.Now).Fetch(provider.KeyRequest{URL: address, Body: []byte("secret")})
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", address, err)
		}
	}
}
