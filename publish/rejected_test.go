package publish_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"jethook/publish"
	"jethook/publish/bustest"
	"jethook/publish/failure"
	"jethook/publish/quarantine"
	"jethook/publish/query"
)

func reject(ctx context.Context, b *publish.Bus, r *quarantine.Request) error {
	done := make(chan error, 1)
	b.Rejected().Reject(r, func(err error) { done <- err })
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func TestRejectedRequestsAreKeptAsTheyCame(t *testing.T) {
	t.Parallel()
	b := bustest.Open(t, bustest.Settings(t))
	want := quarantine.Request{
		Source: "stripe", Reason: "bad_signature", Received: time.Now().UTC().Round(0), Method: "POST", Query: "a=1&b=%0A",
		Remote: "192.0.2.1", Size: 4, Body: []byte("\x00\r\n\xff"),
		Header: http.Header{"X-Twice": {"1", "2"}, "X-Odd": {"a\r\nNats-Rollup: all\x00"}, "Nats-Msg-Id": {"x"}},
	}
	for range 3 { // the same again is another request
		if err := reject(t.Context(), b, &want); err != nil {
			t.Fatal(err)
		}
	}
	if err := reject(t.Context(), b, &quarantine.Request{Source: "github", Reason: "too_old"}); err != nil {
		t.Fatal(err)
	}
	page, _, err := b.Query().Reverse(t.Context(), query.Rejected("stripe"), 0, 10)
	if err != nil || len(page) != 3 {
		t.Fatalf("%d listed, %v", len(page), err)
	}
	listed, err := quarantine.RequestOf(&page[0])
	if err != nil || listed.Source != "stripe" || listed.Reason != "bad_signature" || listed.Size != 4 {
		t.Errorf("listed %+v, %v", listed, err)
	}
	got, err := b.Rejected().Get(t.Context(), listed.Seq)
	if err != nil {
		t.Fatal(err)
	}
	want.Seq = listed.Seq
	if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	for range 2 { // removing it again is no error
		if err := b.Rejected().Drop(t.Context(), got.Seq); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.Rejected().Get(t.Context(), got.Seq); !errors.Is(err, failure.ErrNotFound) {
		t.Errorf("got %v, want not found", err)
	}
}
