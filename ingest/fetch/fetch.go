// Package fetch gets from senders' own hosts what they publish: keys and certificates, which it keeps, and answers that end a
// handshake.
package fetch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"

	"jethook/ingest/provider"
)

const (
	// webTimeout bounds one request to a sender. It waits while the sender waits for us.
	webTimeout = 3 * time.Second
	// maxDocument bounds what is read of an answer, in bytes. Key sets have a few kilobytes.
	maxDocument = 256 << 10
	// keepDocument is how long a document counts as current, and keepStale how long it is used when a newer one
	// can't be had.
	keepDocument = time.Hour
	keepStale    = 24 * time.Hour
	// fetchPause is how often at most a document is fetched again because it lacks a key, or could not be had: who
	// sends requests chooses the names of keys.
	fetchPause = 10 * time.Second
	// maxDocuments bounds the documents that are kept of one source. Certificates are at addresses that a request names, at
	// the sender's host.
	maxDocuments = 64
	// fetchesPerSecond and fetchBurst bound the fetches of one source's documents that are not kept, for the same reason.
	fetchesPerSecond, fetchBurst = 2, 20
)

// NewClient returns a client for senders' own hosts. It follows no redirect: the address was checked, where it
// leads was not.
func NewClient() *http.Client {
	return &http.Client{
		Timeout:       webTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// errTooManyFetches means that more documents are asked for than are fetched, as when a stranger makes names up.
var errTooManyFetches = errors.New("too many fetches")

// Fetcher gets keys and certificates that a source's sender publishes, and keeps them. Each source has its own: who makes
// names up for one must not keep another from its keys. It implements [provider.KeySource].
type Fetcher struct {
	web     *http.Client
	now     func() time.Time
	limiter *rate.Limiter
	flight  singleflight.Group

	mu   sync.Mutex // guards kept
	kept map[string]*document
}

// document is what came of the last fetch, and of the last one that went well.
type document struct {
	text    []byte
	fetched time.Time // when text came
	tried   time.Time
	err     error // of the last try
}

// New returns a fetcher that keeps nothing yet.
func New(web *http.Client, now func() time.Time) *Fetcher {
	return &Fetcher{
		web: web, now: now, limiter: rate.NewLimiter(fetchesPerSecond, fetchBurst), kept: make(map[string]*document),
	}
}

// Fetch implements [provider.KeySource].
func (f *Fetcher) Fetch(r provider.KeyRequest) ([]byte, error) {
	sum := sha256.Sum256(r.Body) // it may hold a secret
	key := r.URL + " " + string(sum[:])
	if text, fresh, err := f.look(key, r.Newer); fresh {
		return text, err
	}
	_, err, _ := f.flight.Do(key, func() (any, error) {
		if text, fresh, _ := f.look(key, r.Newer); !fresh { // else somebody was faster
			// What is known to be there, or has an address of the row's, is asked for in any case: it is little, and who
			// makes names up must not keep it from that.
			if text == nil && !r.Fixed && !f.limiter.AllowN(f.now(), 1) {
				return nil, errTooManyFetches
			}
			text, err := f.get(r)
			f.keep(key, text, err)
		}
		return nil, nil
	})
	if err != nil {
		return nil, err
	}
	text, _, err := f.look(key, false)
	return text, err
}

// look returns what is kept, and whether that is to be used as it is.
func (f *Fetcher) look(key string, newer bool) (text []byte, fresh bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, now := f.kept[key], f.now()
	if d == nil {
		return nil, false, errors.New("not fetched")
	}
	justTried := now.Sub(d.tried) < fetchPause
	current := d.text != nil && now.Sub(d.fetched) < keepDocument
	usable := d.text != nil && now.Sub(d.fetched) < keepStale
	if !usable {
		return nil, justTried, d.err
	}
	return d.text, justTried || current && !newer, nil
}

func (f *Fetcher) keep(key string, text []byte, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d := f.kept[key]
	if d == nil {
		if len(f.kept) >= maxDocuments {
			f.forgetOne()
		}
		d = &document{}
		f.kept[key] = d
	}
	d.tried, d.err = f.now(), err
	if err == nil {
		d.text, d.fetched = text, d.tried
	}
}

// forgetOne makes room: what could not be had goes first, since a stranger may have made it up, and then what was tried
// longest ago.
func (f *Fetcher) forgetOne() {
	var worst string
	for key, d := range f.kept {
		if worst == "" || d.worse(f.kept[worst]) {
			worst = key
		}
	}
	delete(f.kept, worst)
}

func (d *document) worse(than *document) bool {
	if missing := d.text == nil; missing != (than.text == nil) {
		return missing
	}
	return d.tried.Before(than.tried)
}

func (f *Fetcher) get(r provider.KeyRequest) ([]byte, error) {
	method, body := http.MethodGet, io.Reader(http.NoBody)
	if r.Body != nil {
		method, body = http.MethodPost, bytes.NewReader(r.Body)
	}
	return Ask(context.Background(), f.web, method, r.URL, body)
}

// Ask makes a request and returns the answer's body. Errors hold nothing of the request's body.
func Ask(ctx context.Context, web *http.Client, method, address string, body io.Reader) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, webTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return nil, errors.New("contacting the sender: malformed URL")
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := web.Do(req)
	if fault, ok := errors.AsType[*url.Error](err); ok {
		err = fault.Err // without the address, which may hold a token
	}
	if err != nil {
		return nil, fmt.Errorf("contacting %s: %w", req.URL.Host, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("contacting %s: status %d", req.URL.Host, resp.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxDocument+1))
	if err != nil {
		return nil, fmt.Errorf("reading the response of %s: %w", req.URL.Host, err)
	}
	if len(text) > maxDocument {
		return nil, fmt.Errorf("the response of %s is larger than %d bytes", req.URL.Host, maxDocument)
	}
	return text, nil
}
