package consume_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"jethook/consume/cursor"
	"jethook/consume/deliveries"
	"jethook/consume/endpoint"
	"jethook/publish/delivery"
	"jethook/publish/pull"
	"jethook/publish/query"
	"jethook/publish/topology"
)

// slow is a receiver that answers one request at a time, when it is told to.
type slow struct {
	*receiver
	open   chan struct{} // closed: it answers all
	answer chan struct{} // one answer each
}

func newSlow(t testing.TB) *slow {
	s := &slow{open: make(chan struct{}), answer: make(chan struct{})}
	s.receiver = receive(t, func(int, request, http.ResponseWriter) {
		select {
		case <-s.open:
		case <-s.answer:
		case <-t.Context().Done():
		}
	})
	t.Cleanup(func() {
		select {
		case <-s.open:
		default:
			close(s.open)
		}
	})
	return s
}

// table reads the records that there are.
func (r *rig) table() *cursor.Table { return cursor.NewTable(r.bus, slog.New(slog.DiscardHandler)) }

// record returns the record of an endpoint that lags behind EVENTS; nil: it does not.
func (r *rig) record(t testing.TB, id string) *cursor.Record {
	t.Helper()
	rec, err := r.table().Get(t.Context(), cursor.Key{Endpoint: id, Stream: topology.StreamEvents})
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

// listAll reads a list to its end by pages of a size.
func (r *rig) listAll(t testing.TB, q deliveries.Query, size int) (all []deliveries.Delivery) {
	t.Helper()
	for q.Limit = size; ; {
		page, next, err := r.ledger.List(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) > size {
			t.Fatalf("a page of %d", len(page))
		}
		all = append(all, page...)
		if q.Cursor = next; next == "" {
			return all
		}
	}
}

func waits(why ...string) func(deliveries.Delivery) bool {
	return func(d deliveries.Delivery) bool { return strings.Contains(strings.Join(why, " "), d.Waits) }
}

func countOf(all []deliveries.Delivery, is func(deliveries.Delivery) bool) (n int) {
	for _, d := range all {
		if is(d) {
			n++
		}
	}
	return n
}

// lag lets an endpoint with one request at once fall behind some of n events, more than half of them; the oldest of all is
// being requested.
func (r *rig) lag(t testing.TB, n int) (*slow, endpoint.Endpoint) {
	t.Helper()
	s := newSlow(t)
	one, patient := 1, "1m" // else the first requests fail while a test looks at what waits behind them
	ep := r.add(t, s.URL, func(spec *endpoint.Spec) { spec.Concurrency, spec.Timeout = &one, &patient }, "events.a")
	for i := range n {
		if i == n/2 {
			eventually(t, "it lags", func() bool {
				rec := r.record(t, ep.ID)
				return rec != nil && rec.Divides()
			})
		}
		r.publish(t, fmt.Sprint("evt_", i), "a")
	}
	s.next(t)
	r.handedOut(t)
	return s, ep
}

// handedOut waits until the shared intake has handed out all that there is.
func (r *rig) handedOut(t testing.TB) {
	t.Helper()
	eventually(t, "all is handed out", func() bool {
		_, last, err1 := r.bus.Query().Ends(t.Context(), query.Events(topology.StreamEvents, []string{"events.>"}), time.Time{})
		out, _, err2 := r.bus.Consumers().HandedOut(t.Context(), pull.Own{Stream: topology.StreamEvents})
		return err1 == nil && err2 == nil && out >= last
	})
}

// caughtUp waits until an endpoint takes part in the shared intake alone.
func (r *rig) caughtUp(t testing.TB, id string) {
	t.Helper()
	eventually(t, "it has caught up", func() bool { return r.record(t, id) == nil })
	r.settled(t, topology.StreamEvents)
}

// onceEach expects n events to have been attempted once.
func (r *rig) onceEach(t testing.TB, id string, n int) {
	t.Helper()
	times := make(map[string]int)
	for before := uint64(0); ; {
		page, next, err := r.bus.Query().Reverse(t.Context(), delivery.HistoryKey{Endpoint: id}.Selection(), before, 500)
		if err != nil {
			t.Fatal(err)
		}
		for i := range page {
			times[gjson.GetBytes(page[i].Data, "delivery").Str]++
		}
		if before = next; next == 0 {
			break
		}
	}
	for d, k := range times {
		if k != 1 {
			t.Errorf("%s was attempted %d times", d, k)
		}
	}
	if len(times) != n {
		t.Errorf("%d were attempted, want %d", len(times), n)
	}
}
