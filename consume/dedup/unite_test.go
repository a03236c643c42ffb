package dedup

import (
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"jethook/consume/history"
	"jethook/publish/delivery"
)

// claim is a part that says what became of it.
type claim struct {
	d *delivery.Delivery
	m Message

	mu                sync.Mutex // guards what follows
	cameBack, hasLeft bool
}

func (c *claim) Delivery() *delivery.Delivery { return c.d }
func (c *claim) Message() Message             { return c.m }

func (c *claim) ComeBack() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cameBack = true
}

func (c *claim) End() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hasLeft = true
}

func (c *claim) ended() (ended, cameBack bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hasLeft, c.cameBack
}

func uniter(r *records) (u *Uniter, stop func()) {
	stopped := make(chan struct{})
	return NewUniter(r.outcomes(), stopped, new(sync.WaitGroup), slog.New(slog.DiscardHandler)), func() { close(stopped) }
}

// Two processes that had one message have both stored what became of it: one state is left.
func TestTwoOutcomes(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		delivered, dead, waits bool
		removed                []string
	}{
		"delivered and dead":            {delivered: true, dead: true, removed: []string{"dead"}},
		"delivered and waiting":         {delivered: true, waits: true, removed: []string{"waiting"}},
		"dead and waiting":              {dead: true, waits: true, removed: []string{"waiting"}},
		"all":                           {delivered: true, dead: true, waits: true, removed: []string{"dead", "waiting"}},
		"dead alone":                    {dead: true},
		"waiting alone":                 {waits: true},
		"delivered, and nothing beside": {delivered: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRecords()
				c := &claim{d: numbered(1), m: Message{Stored: time.Now().Add(-time.Second), Came: time.Now()}}
				var trace delivery.Trace
				if test.delivered {
					r.record(c.d.ID(), history.Delivered, "")
				}
				if test.dead {
					trace.Dead = time.Now()
				}
				if test.waits {
					trace.Scheduled = time.Now()
				}
				r.onRecord(c.d.ID(), trace)
				u, _ := uniter(r)
				u.Unite(t.Context(), c)
				u.pending.Wait()
				if ended, back := c.ended(); !ended || back || !slices.Equal(r.removed, test.removed) {
					t.Errorf("removed %v; ended: %t, comes back: %t", r.removed, ended, back)
				}
			})
		})
	}
}

// While the store does not answer, it is looked again; when the process stops first, the message comes again.
func TestUniteAgain(t *testing.T) {
	t.Parallel()
	for name, heals := range map[string]bool{"heals": true, "stops": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRecords()
				r.fail(errors.New("no answer"))
				u, stop := uniter(r)
				claims := make([]*claim, 2*unitedAtOnce+1)
				for i := range claims {
					claims[i] = &claim{d: numbered(uint64(i + 1)), m: Message{Stored: time.Now()}}
					u.Unite(t.Context(), claims[i])
				}
				time.Sleep(3*uniteAgain + uniteAgain/2)
				if ended, _ := claims[0].ended(); ended {
					t.Fatal("it has ended")
				}
				if heals {
					r.fail(nil)
				} else {
					stop()
				}
				u.pending.Wait()
				for _, c := range claims {
					if ended, back := c.ended(); !ended || back == heals {
						t.Errorf("%s ended: %t, comes back: %t", c.d.ID(), ended, back)
					}
				}
			})
		})
	}
}
