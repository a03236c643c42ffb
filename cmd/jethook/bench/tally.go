package bench

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// kind is how an endpoint behaves.
type kind int

const (
	healthy  kind = iota
	slow          // answers late
	failing       // answers 500
	refusing      // takes no connection
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
	bad      atomic.Int64  // requests to endpoints that are slow or failing; what is refused does not get here
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
	mu      sync.Mutex // guards what follows
	latency Histogram
	slots   []int64 // what arrived in each slot since the run began
}

// slot is the precision of the rate over time.
const (
	slot           = 100 * time.Millisecond
	slotsPerSecond = int(time.Second / slot)
)

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
	e.shard.add(time.Duration(now-t.published[event].Load()), int(time.Duration(now)/slot))
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

func (s *shard) add(d time.Duration, at int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latency.Add(d)
	for len(s.slots) <= at {
		s.slots = append(s.slots, 0)
	}
	s.slots[at]++
}

// fewestSeconds make a median.
const fewestSeconds = 3

// tail is the rate of the slowest second before the last arrival, divided by the median second's: near 1 when all goes at one
// pace, near 0 when the last ones trickle in. The second in which the run begins is left out. It is false when there are
// too few seconds.
func (t *tally) tail() (float64, bool) {
	var slots []int64
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		slots = append(slots, make([]int64, max(0, len(s.slots)-len(slots)))...)
		for at, n := range s.slots {
			slots[at] += n
		}
		s.mu.Unlock()
	}
	first := int(time.Duration(t.published[0].Load()) / slot)
	var seconds []int64
	for end := len(slots); end-slotsPerSecond > first; end -= slotsPerSecond {
		n := int64(0)
		for _, in := range slots[end-slotsPerSecond : end] {
			n += in
		}
		seconds = append(seconds, n)
	}
	if len(seconds) < fewestSeconds {
		return 0, false
	}
	slices.Sort(seconds)
	return ratio(float64(seconds[0]), float64(seconds[len(seconds)/2])), true
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
