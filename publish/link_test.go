package publish_test

import (
	"context"
	"errors"
	"testing"

	"jethook/publish/bustest"
	"jethook/publish/failure"
)

// A process whose connection is closed for good hears of it: otherwise it would answer for ever that the store is away.
func TestWatch(t *testing.T) {
	t.Parallel()
	b := bustest.Open(t, bustest.Settings(t))
	ended := make(chan error, 1)
	go func() { ended <- b.Watch(t.Context()) }()
	if err := b.Overstep(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, failure.ErrUnavailable) {
		t.Errorf("got %v", err)
	}

	whole := bustest.Open(t, bustest.Settings(t))
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := whole.Watch(ctx); err != nil {
		t.Errorf("stopped on purpose: got %v", err)
	}
}
