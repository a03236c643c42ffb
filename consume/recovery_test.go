package consume_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"jethook/consume/deliveries"
	"jethook/consume/endpoint"
	"jethook/consume/recovery"
	"jethook/publish/delivery"
	"jethook/publish/query"
	"jethook/publish/topology"
)

// moody answers 500 to events whose id has the prefix, while there is one, and remembers what it took.
type moody struct {
	*receiver
	refuses atomic.Pointer[string]

	mu    sync.Mutex // guards took
	took  map[string]int
	order []string
}

func newMoody(t testing.TB) *moody {
	m := &moody{took: make(map[string]int)}
	m.receiver = receive(t, func(_ int, r request, w http.ResponseWriter) {
		id := r.header.Get("webhook-id")
		if prefix := m.refuses.Load(); prefix != nil && strings.HasPrefix(id, *prefix) {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		m.took[id]++
		m.order = append(m.order, id)
	})
	return m
}

func (m *moody) refuse(prefix string) { m.refuses.Store(&prefix) }
func (m *moody) takeAll()             { m.refuses.Store(nil) }

func (m *moody) times(id string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.took[id]
}

func (m *moody) all(n int, name string) bool {
	for i := range n {
		if m.times(fmt.Sprint(name, i)) == 0 {
			return false
		}
	}
	return true
}

func (r *rig) publishSome(t testing.TB, n int, name string) {
	t.Helper()
	for i := range n {
		r.publish(t, fmt.Sprint(name, i), "a")
	}
	r.settled(t, topology.StreamEvents)
}

func (r *rig) switchOff(t testing.TB, id string, off bool) {
	t.Helper()
	if _, err := r.registry.Update(t.Context(), id, func(e *endpoint.Endpoint) (err error) {
		*e, err = e.With(&endpoint.Spec{Disabled: &off}, endpoint.NewAddressPolicy(r.cfg.AllowedNetworks), time.Now())
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// killAll retries what waits, which is its last attempt.
func (r *rig) killAll(t testing.TB, id string) {
	t.Helper()
	waiting := r.list(t, deliveries.Query{Endpoint: id, Status: deliveries.StatusWaiting})
	for _, d := range waiting {
		if err := r.ledger.Retry(t.Context(), d.ID); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "all are dead", func() bool {
		dead := r.list(t, deliveries.Query{Endpoint: id, Status: deliveries.StatusDead})
		return len(dead) == len(waiting)
	})
	r.settled(t, topology.StreamDeliveries)
}

// recovered waits for the end of a recovery.
func (r *rig) recovered(t testing.TB, id string) (rec recovery.Recovery) {
	t.Helper()
	jobs := recovery.New(r.bus)
	eventually(t, "the recovery ends", func() bool {
		var err error
		if rec, err = jobs.Get(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		return rec.State != recovery.Running
	})
	return rec
}

// stranded makes n each of events that are delivered, dead, waiting, missed, and from before the endpoint was created.
func stranded(t testing.TB, r *rig, m *moody, n int) endpoint.Endpoint {
	t.Helper()
	r.publishSome(t, n, "before_")
	ep := r.add(t, m.URL, nil, "events.>")
	r.publishSome(t, n, "delivered_")
	m.refuse("dead_")
	r.publishSome(t, n, "dead_")
	r.killAll(t, ep.ID)
	m.refuse("waiting_")
	r.publishSome(t, n, "waiting_")
	r.switchOff(t, ep.ID, true)
	r.publishSome(t, n, "missed_")
	r.switchOff(t, ep.ID, false)
	m.takeAll()
	return ep
}

func TestRecover(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t, time.Hour))
	m := newMoody(t)
	const n = 3 // 9 failures: fewer than open a circuit
	ep := stranded(t, r, m, n)
	jobs := recovery.New(r.bus)

	want := recovery.RecoveryCounts{Dead: n, Waiting: n, Missed: n}
	counted, err := jobs.Count(t.Context(), &ep, time.Time{}, time.Time{}, false)
	if err != nil || counted.Counts != want {
		t.Errorf("counted %+v, want %+v: %v", counted.Counts, want, err)
	}
	if m.times("dead_0")+m.times("waiting_0")+m.times("missed_0") != 0 {
		t.Error("a dry run delivered something")
	}
	rec, err := jobs.Start(t.Context(), &ep, time.Time{}, time.Time{}, false)
	if err != nil {
		t.Fatal(err)
	}
	if rec = r.recovered(t, rec.ID); rec.State != recovery.Done || rec.Counts != want {
		t.Errorf("got %+v", rec)
	}
	eventually(t, "all comes", func() bool { return m.all(n, "dead_") && m.all(n, "waiting_") && m.all(n, "missed_") })
	r.settled(t, topology.StreamDeliveries)

	// Asked again there is nothing left, but for what is from before the endpoint's time.
	rec, err = jobs.Start(t.Context(), &ep, time.Time{}, time.Time{}, true)
	if err != nil {
		t.Fatal(err)
	}
	if rec = r.recovered(t, rec.ID); rec.Counts != (recovery.RecoveryCounts{Missed: n}) {
		t.Errorf("the second time: %+v", rec)
	}
	eventually(t, "what is from before comes", func() bool { return m.all(n, "before_") })
	r.settled(t, topology.StreamDeliveries)
	for _, name := range []string{"before_", "delivered_", "dead_", "waiting_", "missed_"} {
		for i := range n {
			if got := m.times(fmt.Sprint(name, i)); got != 1 {
				t.Errorf("%s%d was taken %d times", name, i, got)
			}
		}
	}
	if left := len(r.list(t, deliveries.Query{Endpoint: ep.ID})); left != 5*n {
		t.Errorf("%d deliveries are in a state, want %d", left, 5*n)
	}
}

func TestRecoverOnlyARange(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t, time.Hour))
	m := newMoody(t)
	ep := r.add(t, m.URL, nil, "events.>")
	m.refuse("")
	r.publishSome(t, 2, "old_")
	from := time.Now()
	r.publishSome(t, 2, "right_")
	r.switchOff(t, ep.ID, true)
	r.publishSome(t, 2, "missed_")
	until := time.Now()
	r.publishSome(t, 2, "late_")
	r.switchOff(t, ep.ID, false)
	m.takeAll()
	rec, err := recovery.New(r.bus).Start(t.Context(), &ep, from, until, false)
	if err != nil {
		t.Fatal(err)
	}
	r.recovered(t, rec.ID)
	eventually(t, "all comes", func() bool { return m.all(2, "right_") && m.all(2, "missed_") })
	r.settled(t, topology.StreamDeliveries)
	m.mu.Lock()
	defer m.mu.Unlock()
	slices.Sort(m.order)
	if got := strings.Join(m.order, " "); got != "missed_0 missed_1 right_0 right_1" {
		t.Errorf("got %s", got)
	}
}

// An ordered endpoint misses nothing while it is disabled; what died is replayed.
func TestRecoverAnOrderedEndpoint(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t))
	m := newMoody(t)
	ordered := true
	r.publishSome(t, 3, "before_")
	ep := r.add(t, m.URL, func(s *endpoint.Spec) { s.Ordered = &ordered }, "events.>")
	m.refuse("dead_")
	for i := range 3 {
		r.publish(t, fmt.Sprint("dead_", i), "a")
	}
	eventually(t, "all are dead", func() bool { return len(r.list(t, deliveries.Query{Status: deliveries.StatusDead})) == 3 })
	m.takeAll()
	rec, err := recovery.New(r.bus).Start(t.Context(), &ep, time.Time{}, time.Time{}, true)
	if err != nil {
		t.Fatal(err)
	}
	if rec = r.recovered(t, rec.ID); rec.Counts != (recovery.RecoveryCounts{Dead: 3, Missed: 3}) {
		t.Errorf("got %+v", rec)
	}
	eventually(t, "all comes", func() bool { return m.all(3, "dead_") && m.all(3, "before_") })
	for i := range 3 {
		if m.times(fmt.Sprint("dead_", i)) != 1 || m.times(fmt.Sprint("before_", i)) != 1 {
			t.Errorf("%d came more than once", i)
		}
	}
}

func TestOneRecoveryAtATime(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	r := start(t, cfg)
	ep := r.add(t, "http://127.0.0.1:1/", nil, "events.>")
	other := r.add(t, "http://127.0.0.1:1/", nil, "events.>")
	r.switchOff(t, ep.ID, true) // so that it goes on and on
	r.switchOff(t, other.ID, true)
	jobs := recovery.New(r.bus)
	var began, refused atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			_, err := jobs.Start(t.Context(), &ep, time.Time{}, time.Time{}, false)
			running, isRunning := errors.AsType[*recovery.RunningError](err)
			switch {
			case err == nil:
				began.Add(1)
			case isRunning && running.ID != "":
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if began.Load() != 1 || refused.Load() != 7 {
		t.Fatalf("%d began, %d were refused", began.Load(), refused.Load())
	}
	second, err := jobs.Start(t.Context(), &other, time.Time{}, time.Time{}, false)
	if err != nil {
		t.Errorf("another endpoint's: %v", err)
	}
	all, err := jobs.List(t.Context())
	if err != nil || len(all) != 2 {
		t.Fatalf("got %+v, %v", all, err)
	}
	first := all[1]
	if cancelled, err := jobs.Cancel(t.Context(), first.ID); err != nil || cancelled.State != recovery.Cancelled {
		t.Errorf("got %+v, %v", cancelled, err)
	}
	if _, err := jobs.Start(t.Context(), &ep, time.Time{}, time.Time{}, false); err != nil {
		t.Errorf("after the first was cancelled: %v", err)
	}
	if err := r.registry.Delete(t.Context(), other.ID); err != nil {
		t.Fatal(err)
	}
	if rec := r.recovered(t, second.ID); rec.State != recovery.Cancelled || rec.Error == "" {
		t.Errorf("its endpoint is removed: %+v", rec)
	}
	if _, err := jobs.Get(t.Context(), "rec_none"); !errors.Is(err, recovery.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

// A recovery goes on in the next process where the one before stopped, and no faster than its endpoint takes.
func TestRecoveryGoesOnAfterARestart(t *testing.T) {
	t.Parallel()
	cfg := settings(t, time.Hour)
	r := start(t, cfg)
	gate := make(chan struct{}, 10_000)
	var mu sync.Mutex
	took := map[string]int{}
	rc := receive(t, func(_ int, q request, _ http.ResponseWriter) {
		<-gate
		mu.Lock()
		defer mu.Unlock()
		took[q.header.Get("webhook-id")]++
	})
	ep := r.add(t, rc.URL, nil, "events.none")
	const n = 1500 // more than are due at once
	done := make(chan error, n)
	for i := range n {
		d := &delivery.Delivery{Endpoint: ep.ID, Event: *internal(fmt.Sprint("dead_", i), "none"), Attempt: 2, Reason: "status 500"}
		r.bus.Deliveries().DeadLetter(d, func(err error) { done <- err })
	}
	for range n {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	jobs := recovery.New(r.bus)
	rec, err := jobs.Start(t.Context(), &ep, time.Time{}, time.Time{}, false)
	if err != nil {
		t.Fatal(err)
	}
	rc.next(t) // it began, and nothing is answered yet
	if now, err := jobs.Get(t.Context(), rec.ID); err != nil || now.Counts.Dead >= n {
		t.Errorf("everything is due at once: %+v, %v", now, err)
	}
	for range 200 {
		gate <- struct{}{}
	}
	close(gate)
	r.stop()
	again := start(t, cfg)
	if rec = again.recovered(t, rec.ID); rec.State != recovery.Done {
		t.Fatalf("got %+v", rec)
	}
	eventually(t, "all comes", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(took) == n
	})
	again.settled(t, topology.StreamDeliveries)
	if left, _, err := again.bus.Query().Count(t.Context(), query.Dead(ep.ID)); err != nil || left != 0 {
		t.Errorf("%d are still dead: %v", left, err)
	}
	mu.Lock()
	defer mu.Unlock()
	for id, times := range took {
		if times != 1 {
			t.Errorf("%s came %d times", id, times)
		}
	}
}
