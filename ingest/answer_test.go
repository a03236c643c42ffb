package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"jethook/config"
	"jethook/config/logtest"
	"jethook/publish/event"
	"jethook/publish/failure"
	"jethook/publish/groupcommit"
)

// publisherFunc is a store that answers as a test wants.
type publisherFunc func(context.Context, *event.Event) (groupcommit.Receipt, error)

func (f publisherFunc) Publish(ctx context.Context, e *event.Event) (groupcommit.Receipt, error) {
	return f(ctx, e)
}

func (f publisherFunc) PublishAll(ctx context.Context, events []*event.Event) error {
	for _, e := range events {
		if _, err := f(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

func newTestLog(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

// TestStoreFailures shows that a fault of the store is never the sender's.
func TestStoreFailures(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		err    error
		status int
		code   string
	}{
		{failure.ErrUnavailable, 503, "unavailable"},
		{failure.ErrFull, 503, "store_full"},
		{failure.ErrBusy, 503, "overloaded"},
		{failure.ErrTooLarge, 413, "too_large"},
		{failure.ErrRefused, 503, "unavailable"},
		{context.DeadlineExceeded, 503, "unavailable"},
		{errors.New("else"), 503, "unavailable"},
	} {
		t.Run(test.err.Error(), func(t *testing.T) {
			t.Parallel()
			var log logtest.Buffer
			url := serve(t, Options{
				Sources: []config.Source{plain("plain")},
				Log:     newTestLog(&log),
				Publisher: publisherFunc(func(context.Context, *event.Event) (groupcommit.Receipt, error) {
					return groupcommit.Receipt{}, fmt.Errorf("publishing: %w: detail", test.err)
				}),
			})
			for range 3 {
				resp, body := do(t, signed(t, url+"/webhooks/plain", "{}"))
				wantError(t, resp, body, test.status, test.code)
				if after := resp.Header.Get("Retry-After"); after != "" {
					if n, err := strconv.Atoi(after); err != nil || n < 1 || n > maxRetryAfter {
						t.Errorf("Retry-After %q", after)
					}
				}
				if strings.Contains(body, "detail") {
					t.Errorf("the answer tells the cause: %s", body)
				}
			}
			if test.status == 503 && strings.Count(log.String(), "detail") != 1 {
				t.Errorf("want the cause once in the log:\n%s", log.String())
			}
		})
	}
}

func TestPanic(t *testing.T) {
	t.Parallel()
	var log logtest.Buffer
	url := serve(t, Options{
		Sources: []config.Source{plain("plain")},
		Log:     newTestLog(&log),
		Publisher: publisherFunc(func(context.Context, *event.Event) (groupcommit.Receipt, error) {
			panic("detail")
		}),
	})
	resp, body := do(t, signed(t, url+"/webhooks/plain", "{}"))
	wantError(t, resp, body, 500, "internal")
	if strings.Contains(body, "detail") || !strings.Contains(log.String(), "detail") {
		t.Errorf("answer %s, log %s", body, log.String())
	}
}

func TestRoutes(t *testing.T) {
	t.Parallel()
	url := serve(t, Options{
		Sources: []config.Source{plain("plain")},
		Publisher: publisherFunc(func(context.Context, *event.Event) (groupcommit.Receipt, error) {
			t.Error("something was published")
			return groupcommit.Receipt{}, nil
		}),
	})
	for _, test := range []struct {
		method, path string
		status       int
		code         string
	}{
		{"POST", "/webhooks/other", 404, "no_such_source"},
		{"POST", "/webhooks/PLAIN", 404, "no_such_source"},
		{"POST", "/webhooks/..%2fplain", 404, "no_such_source"},
		{"POST", "/webhooks/", 404, "not_found"},
		{"POST", "/webhooks", 404, "not_found"},
		{"POST", "/webhooks/plain/more", 404, "no_such_source"},
		{"GET", "/", 404, "not_found"},
		{"GET", "/webhooks/plain", 405, "method_not_allowed"},
		{"PUT", "/webhooks/plain", 405, "method_not_allowed"},
		{"DELETE", "/webhooks/plain", 405, "method_not_allowed"},
		{"POST", "/healthz", 405, "method_not_allowed"},
	} {
		r := signed(t, url+test.path, "{}")
		r.Method = test.method
		resp, body := do(t, r)
		wantError(t, resp, body, test.status, test.code)
		if allow := resp.Header.Get("Allow"); (allow != "") != (test.status == 405) {
			t.Errorf("%s %s: Allow %q", test.method, test.path, allow)
		}
	}
	resp, err := http.Get(url + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != 200 || string(body) != "ok" {
		t.Errorf("healthz: %d %s", resp.StatusCode, body)
	}
}
