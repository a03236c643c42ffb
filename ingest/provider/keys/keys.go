// Package keys fetches what senders publish to verify their webhooks with: key sets and certificates. It asks only
// for addresses that package provider has checked, keeps what it got, and bounds everything that a stranger's
// request could make it do.
package keys

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"

	"jethook/ingest/provider"
)

const (
	timeout  = 3 * time.Second // of one fetch: senders wait little longer for their answer
	maxBytes = 1 << 20         // of a document; key sets have a few KB
	maxKept  = 256             // documents

	fresh    = time.Hour        // how long a document is taken for current
	stale    = 24 * time.Hour   // how long it is used when there is no newer one to be had
	cooldown = time.Minute      // between two fetches of one document because a key is missing in it
	pause    = 10 * time.Second // after a fetch that failed

	perSecond, burst = 2, 20 // fetches of all documents
)

// ErrBusy means that more documents are asked for than are fetched in a time, as when a stranger makes keys up.
var ErrBusy = errors.New("too many fetches")

// Source is a [provider.KeySource] over HTTPS.
type Source struct {
	ctx     context.Context
	client  *http.Client
	now     func() time.Time
	limiter *rate.Limiter
	flight  singleflight.Group

	mu   sync.Mutex
	kept map[string]*document
}

// document is what an address last gave.
type document struct {
	text    []byte    // nil if it never gave any
	fetched time.Time // when text came
	tried   time.Time // when it was last asked
	err     error     // of the last try
}

// New returns a Source whose fetches end with ctx.
func New(ctx context.Context) *Source {
	return &Source{
		ctx: ctx,
		client: &http.Client{
			Timeout: timeout,
			// An allowed host must not send us to another.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		now:     time.Now,
		limiter: rate.NewLimiter(perSecond, burst),
		kept:    map[string]*document{},
	}
}

// Fetch implements [provider.KeySource]. An outage of the sender's is bridged by a copy of up to a day.
func (s *Source) Fetch(r provider.KeyRequest) ([]byte, error) {
	if !strings.HasPrefix(r.URL, "https://") {
		return nil, errors.New("not https")
	}
	sum := sha256.Sum256(r.Body)
	key := r.URL + " " + string(sum[:])
	if text, enough, err := s.keptFor(key, r.Newer); enough {
		return text, err
	}
	_, err, _ := s.flight.Do(key, func() (any, error) {
		// Another call may have ended since.
		if _, enough, err := s.keptFor(key, r.Newer); enough {
			return nil, err
		}
		if !s.limiter.AllowN(s.now(), 1) {
			return nil, ErrBusy
		}
		text, err := s.get(r)
		s.keep(key, text, err)
		return nil, err
	})
	if text := s.usable(key); text != nil {
		return text, nil
	}
	return nil, err
}

// keptFor returns what there is without fetching, and whether that is enough.
func (s *Source) keptFor(key string, newer bool) (text []byte, enough bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, found := s.kept[key]
	if !found {
		return nil, false, nil
	}
	now := s.now()
	switch {
	case d.err != nil && now.Sub(d.tried) < pause:
		if d.text != nil && now.Sub(d.fetched) < stale {
			return d.text, true, nil
		}
		return nil, true, d.err
	case d.text == nil || now.Sub(d.fetched) >= fresh:
		return nil, false, nil
	}
	return d.text, !newer || now.Sub(d.tried) < cooldown, nil
}

// usable is the document if it is not too old to be used at all.
func (s *Source) usable(key string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d, found := s.kept[key]; found && s.now().Sub(d.fetched) < stale {
		return d.text
	}
	return nil
}

// keep notes how a fetch ended. The document that was asked for longest ago makes room.
func (s *Source) keep(key string, text []byte, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, found := s.kept[key]
	if !found {
		if len(s.kept) >= maxKept {
			s.drop()
		}
		d = &document{}
		s.kept[key] = d
	}
	d.tried, d.err = s.now(), err
	if err == nil {
		d.text, d.fetched = text, d.tried
	}
}

func (s *Source) drop() {
	oldest := ""
	for key, d := range s.kept {
		if oldest == "" || d.tried.Before(s.kept[oldest].tried) {
			oldest = key
		}
	}
	delete(s.kept, oldest)
}

// get asks the sender. Its errors don't hold the request's body, which may have a secret.
func (s *Source) get(r provider.KeyRequest) ([]byte, error) {
	ctx, cancel := context.WithTimeout(s.ctx, timeout)
	defer cancel()
	method, body := http.MethodGet, io.Reader(nil)
	if r.Body != nil {
		method, body = http.MethodPost, bytes.NewReader(r.Body)
	}
	request, err := http.NewRequestWithContext(ctx, method, r.URL, body)
	if err != nil {
		return nil, fmt.Errorf("fetching keys: %w", err)
	}
	if r.Body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := s.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("fetching keys: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("fetching keys: %s answered %d", request.URL.Host, response.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxBytes+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("fetching keys: %w", err)
	case len(text) > maxBytes:
		return nil, fmt.Errorf("fetching keys: %s answered more than %d bytes", request.URL.Host, maxBytes)
	}
	return text, nil
}
