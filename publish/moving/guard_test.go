package moving_test

import (
	"errors"
	"testing"
	"time"

	"jethook/publish/bustest"
	"jethook/publish/failure"
	"jethook/publish/moving"
)

// A process yields when it has heard of the mark and nobody in it changes the store any more, and goes on when the move is
// taken back. A mark that is not the last one is not replaced.
func TestGuard(t *testing.T) {
	t.Parallel()
	bus := bustest.Open(t, bustest.Settings(t))
	_, js := bustest.Client(t, bus)
	g := bus.Moving()
	ended := make(chan error, 1)
	go func() { ended <- g.Watch(t.Context()) }()
	t.Cleanup(func() { <-ended })
	leave, err := g.Enter()
	if err != nil {
		t.Fatal(err)
	}
	_, changed := g.Moving()
	first := &moving.Mark{ID: "one", Phase: moving.Copying, To: "nats://there"}
	if err := first.Write(t.Context(), js, nil); err != nil {
		t.Fatal(err)
	}
	await(t, changed)
	if _, err := g.Enter(); !errors.Is(err, failure.ErrMoving) {
		t.Errorf("somebody may change the store: %v", err)
	}
	if g.Yields() {
		t.Error("it yields while somebody changes the store")
	}
	leave()
	if !g.Yields() {
		t.Error("it does not yield")
	}
	mark, changed := g.Moving()
	if mark.ID != "one" {
		t.Errorf("it knows %+v", mark)
	}
	back := &moving.Mark{ID: "one", Phase: moving.Cancelled}
	if err := back.Write(t.Context(), js, mark); err != nil {
		t.Fatal(err)
	}
	await(t, changed)
	if leave, err = g.Enter(); err != nil {
		t.Fatal(err)
	}
	leave()
	late := &moving.Mark{ID: "one", Phase: moving.Forwarding}
	if err := late.Write(t.Context(), js, first); err == nil {
		t.Error("a mark that was taken back is replaced")
	}
}

func await(t *testing.T, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("it never heard")
	}
}
