package bench

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"jethook/cmd/jethook/bench/load"
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
	kinds     []kind // by endpoint
	healthy   int
	want      int64           // deliveries to healthy endpoints
	ready     chan struct{}   // closed when each healthy endpoint has got a probe
	complete  chan struct{}   // closed when all that is wanted has arrived
	released  chan struct{}   // closed when slow endpoints shall wait no longer
	release   func()          // closes released
	mu        sync.Mutex      // guards what follows
	published []time.Duration // by event: when, since begun
	probed    map[int]bool    // by endpoint
	seen      [][]uint64      // by endpoint: a bit for each event
	latency   load.Histogram
	slots     []int64       // what arrived in each slot since begun
	arrived   int64         // events at healthy endpoints, each once
	repeated  int64         // and those that came again
	bad       int64         // requests to endpoints that are slow or failing; what is refused does not get here
	last      time.Duration // when something last arrived, since begun
}

// slot is the precision of the rate over time.
const (
	slot           = 100 * time.Millisecond
	slotsPerSecond = int(time.Second / slot)
)

func newTally(events int, kinds []kind, slowFor time.Duration) *tally {
	t := &tally{
		run: token(), slowFor: slowFor, begun: time.Now(), kinds: kinds, published: make([]time.Duration, events),
		probed: map[int]bool{}, seen: make([][]uint64, len(kinds)),
		ready: make(chan struct{}), complete: make(chan struct{}), released: make(chan struct{}),
	}
	t.release = sync.OnceFunc(func() { close(t.released) })
	for i, k := range kinds {
		if k == healthy {
			t.seen[i] = make([]uint64, (events+63)/64)
			t.healthy++
		}
	}
	t.want = int64(t.healthy) * int64(events)
	return t
}

// id names an event, so that its number can be told.
func (t *tally) id(event int) string { return t.run + "-" + strconv.Itoa(event) }

// probeID names an event that only asks whether deliveries reach the receiver.
func (t *tally) probeID(n int) string { return t.run + "-probe" + strconv.Itoa(n) }

// publish notes that an event is published now.
func (t *tally) publish(event int) {
	now := time.Since(t.begun)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.published[event] = now
}

// count is how much has arrived.
func (t *tally) count() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.arrived
}

// arrive counts one delivery at a healthy endpoint.
func (t *tally) arrive(endpoint int, id string) {
	now := time.Since(t.begun)
	t.mu.Lock()
	defer t.mu.Unlock()
	word, ours := strings.CutPrefix(id, t.run+"-")
	if ours && strings.HasPrefix(word, "probe") {
		if !t.probed[endpoint] {
			t.probed[endpoint] = true
			if len(t.probed) == t.healthy {
				close(t.ready)
			}
		}
		return
	}
	event, err := strconv.Atoi(word)
	if !ours || err != nil || event < 0 || event >= len(t.published) {
		return // another's event on the same subjects
	}
	seen, bit := &t.seen[endpoint][event/64], uint64(1)<<(event%64)
	if *seen&bit != 0 {
		t.repeated++
		return
	}
	*seen |= bit
	t.add(now-t.published[event], int(now/slot))
	t.last = max(t.last, now)
	if t.arrived++; t.arrived == t.want {
		close(t.complete)
	}
}

func (t *tally) add(took time.Duration, at int) {
	t.latency.Add(took)
	t.slots = append(t.slots, make([]int64, max(0, at+1-len(t.slots)))...)
	t.slots[at]++
}

// fewestSeconds make a median.
const fewestSeconds = 3

// tail is the rate of the slowest second before the last arrival, divided by the median second's: near 1 when all goes at one
// pace, near 0 when the last ones trickle in. The second in which the run begins is left out. It is nil when there are
// too few seconds.
func (t *tally) tail() *float64 {
	first := int(t.published[0] / slot)
	var seconds []int64
	for end := len(t.slots); end-slotsPerSecond > first; end -= slotsPerSecond {
		n := int64(0)
		for _, in := range t.slots[end-slotsPerSecond : end] {
			n += in
		}
		seconds = append(seconds, n)
	}
	if len(seconds) < fewestSeconds {
		return nil
	}
	slices.Sort(seconds)
	return new(load.Ratio(float64(seconds[0]), float64(seconds[len(seconds)/2])))
}

// figures are what was counted.
func (t *tally) figures() *DeliverFigures {
	t.mu.Lock()
	defer t.mu.Unlock()
	return &DeliverFigures{
		Healthy: t.healthy, Expected: t.want, Arrived: t.arrived, Lost: t.want - t.arrived, Duplicated: t.repeated, BadRequests: t.bad,
		DeliveriesPerSecond: load.PerSecond(t.arrived, t.last-t.published[0]), Latency: t.latency.Summary(), Tail: t.tail(),
	}
}

// ServeHTTP takes a request at /<run>/<endpoint>, and anywhere else takes and forgets it.
func (t *tally) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if _, err := io.Copy(io.Discard, req.Body); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	number, ours := strings.CutPrefix(req.URL.Path, "/"+t.run+"/")
	i, err := strconv.Atoi(number)
	if !ours || err != nil || i < 0 || i >= len(t.kinds) {
		return
	}
	if t.kinds[i] == healthy {
		t.arrive(i, req.Header.Get("webhook-id"))
		return
	}
	t.mu.Lock()
	t.bad++
	t.mu.Unlock()
	if t.kinds[i] == failing {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	t.wait(req.Context())
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
