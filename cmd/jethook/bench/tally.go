package bench

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// kind is how an endpoint behaves.
type kind int

const (
	healthy kind = iota
	slow         // answers late
	failing      // answers 500
)

// tally counts what arrives in one run: which event, at which endpoint, how long after it was published.
type tally struct {
	run       string
	slowFor   time.Duration
	begun     time.Time
	published []atomic.Int64 // by event: when, in nanoseconds since begun
	endpoints []counted
	shards    []shard
	want      int64 // deliveries to healthy endpoints

	probed   atomic.Int64  // healthy endpoints that got a probe
	arrived  atomic.Int64  // events at healthy endpoints, each once
	repeated atomic.Int64  // and those that came again
	bad      atomic.Int64  // requests to endpoints that are slow or failing
	last     atomic.Int64  // when something last arrived, in nanoseconds since begun
	complete chan struct{} // closed when all that is wanted has arrived
	released chan struct{} // closed when slow endpoints shall wait no longer
	release  func()        // closes released
}

// counted is what arrived at one endpoint.
type counted struct {
	kind  kind
	shard *shard

	mu     sync.Mutex // guards what follows
	probed bool
	seen   []uint64 // a bit for each event
}

// shard is what some of the endpoints share.
type shard struct {
	mu      sync.Mutex // guards latency
	latency Histogram
}

// maxShards keeps thousands of endpoints from taking much memory, and their requests from waiting for each other.
const maxShards = 16

func newTally(events int, kinds []kind, slowFor time.Duration) *tally {
	t := &tally{
		run: token(), slowFor: slowFor, begun: time.Now(), published: make([]atomic.Int64, events),
		endpoints: make([]counted, len(kinds)), shards: make([]shard, min(maxShards, len(kinds))),
		complete: make(chan struct{}), released: make(chan struct{}),
	}
	t.release = sync.OnceFunc(func() { close(t.released) })
	for i := range t.endpoints {
		e := &t.endpoints[i]
		e.kind, e.shard = kinds[i], &t.shards[i%len(t.shards)]
		if e.kind == healthy {
			e.seen = make([]uint64, (events+63)/64)
			t.want += int64(events)
		}
	}
	return t
}

// healthy is how many endpoints take everything at once.
func (t *tally) healthy() (n int64) {
	for i := range t.endpoints {
		if t.endpoints[i].kind == healthy {
			n++
		}
	}
	return n
}

// id names an event, so that its number can be told.
func (t *tally) id(event int) string { return t.run + "-" + strconv.Itoa(event) }

// probeID names an event that only asks whether deliveries reach the receiver.
func (t *tally) probeID(n int) string { return t.run + "-probe" + strconv.Itoa(n) }

// publish notes that an event is published now.
func (t *tally) publish(event int) { t.published[event].Store(int64(time.Since(t.begun))) }

// arrive counts one delivery.
func (t *tally) arrive(e *counted, id string) {
	now := int64(time.Since(t.begun))
	word, ok := strings.CutPrefix(id, t.run+"-")
	if !ok {
		return // another's event on the same subjects
	}
	if strings.HasPrefix(word, "probe") {
		t.probe(e)
		return
	}
	event, err := strconv.Atoi(word)
	if err != nil || event < 0 || event >= len(t.published) {
		return
	}
	if e.again(event) {
		t.repeated.Add(1)
		return
	}
	e.shard.add(time.Duration(now - t.published[event].Load()))
	for last := t.last.Load(); last < now && !t.last.CompareAndSwap(last, now); last = t.last.Load() {
	}
	if t.arrived.Add(1) == t.want {
		close(t.complete)
	}
}

// again notes that an event came, and reports whether it had come before.
func (e *counted) again(event int) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	word, bit := &e.seen[event/64], uint64(1)<<(event%64)
	before := *word&bit != 0
	*word |= bit
	return before
}

func (t *tally) probe(e *counted) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.probed {
		e.probed = true
		t.probed.Add(1)
	}
}

// wait holds a request to a slow endpoint.
func (t *tally) wait(ctx context.Context) {
	timer := time.NewTimer(t.slowFor)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.released:
	case <-ctx.Done():
	}
}

func (s *shard) add(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latency.Add(d)
}

// latency merges that of all endpoints.
func (t *tally) latency() *Histogram {
	total := &Histogram{}
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		total.Merge(&s.latency)
		s.mu.Unlock()
	}
	return total
}
