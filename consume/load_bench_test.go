package consume_test

import (
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"jethook/publish/topology"
)

// What the benchmarks of one property share: they run phases by turns in one process, and report the ratio of one kind to the
// other, which moves less with the machine than any figure.

// phase is a number of events that are published in one way, and what is seen of their arrival at the healthy endpoints.
type phase struct {
	sent []atomic.Int64 // by event: when it was published, in unix nanoseconds

	// In the order of arrival, for those below arrived.
	events  []int32
	came    []int64 // unix nanoseconds
	arrived atomic.Int64
	seen    []atomic.Bool // by event, where one endpoint gets all
	again   atomic.Int64  // came twice there

	moved, done chan struct{}
	began       time.Time
	cpu         time.Duration // of the process until its end
}

// meter is the receiver of the healthy endpoints.
type meter struct {
	*httptest.Server
	phase atomic.Pointer[phase]
}

func newMeter(b *testing.B) *meter {
	m := &meter{}
	m.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		io.Copy(io.Discard, req.Body)
		m.take(req.Header.Get("webhook-id"))
	}))
	b.Cleanup(m.Server.Close)
	return m
}

// begin prepares a phase of n events, of which each arrives at a number of endpoints.
func (m *meter) begin(n, endpoints int) *phase {
	p := &phase{
		sent: make([]atomic.Int64, n), events: make([]int32, n*endpoints), came: make([]int64, n*endpoints),
		moved: make(chan struct{}, 1), done: make(chan struct{}),
	}
	if endpoints == 1 {
		p.seen = make([]atomic.Bool, n)
	}
	m.phase.Store(p)
	return p
}

func (m *meter) take(id string) {
	p := m.phase.Load()
	number, ours := strings.CutPrefix(id, "load-")
	_, number, _ = strings.Cut(number, "-")
	event, err := strconv.Atoi(number)
	if !ours || err != nil || p == nil || p.sent[event].Load() == 0 {
		return
	}
	if p.seen != nil && p.seen[event].Swap(true) {
		p.again.Add(1)
		return
	}
	i := p.arrived.Add(1) - 1
	p.events[i], p.came[i] = int32(event), time.Now().UnixNano()
	if int(i) == len(p.events)-1 {
		close(p.done)
	}
	select {
	case p.moved <- struct{}{}:
	default:
	}
}

// pace says when an event may be published.
type pace func(p *phase, event int)

// burst publishes as fast as the server takes it.
func burst(*phase, int) {}

// closely publishes no more than a few events before they arrive: nothing lags, and the endpoint always has one.
func closely(p *phase, event int) {
	const ahead = 512
	for int64(event)-p.arrived.Load() > ahead {
		<-p.moved
	}
}

// each publishes at a rate.
func each(perSecond float64) pace {
	return func(p *phase, event int) {
		if wait := time.Until(p.began.Add(time.Duration(float64(event) / perSecond * float64(time.Second)))); wait > 500*time.Microsecond {
			time.Sleep(wait)
		}
	}
}

var phases atomic.Int64 // begun, so that no two events have one id

// run publishes the events of a phase on subjects, and returns when all have arrived.
func (p *phase) run(b *testing.B, r *rig, when pace, subject func(event int) string) {
	b.Helper()
	p.publish(b, r, when, subject)
	p.await(b)
}

func (p *phase) publish(b *testing.B, r *rig, when pace, subject func(event int) string) {
	b.Helper()
	const pending = 2000 // fewer than the client lets wait for the server
	body, number := make([]byte, 1024), phases.Add(1)
	p.began, p.cpu = time.Now(), -processorTime()
	for i := range p.sent {
		when(p, i)
		for i%64 == 0 && r.js.PublishAsyncPending() > pending {
			time.Sleep(200 * time.Microsecond)
		}
		p.sent[i].Store(time.Now().UnixNano())
		id := "load-" + strconv.FormatInt(number, 10) + "-" + strconv.Itoa(i)
		if _, err := r.js.PublishMsgAsync(&nats.Msg{Subject: subject(i), Data: body, Header: nats.Header{
			"Jethook-Id": {id}, "Content-Type": {"application/json"},
		}}); err != nil {
			b.Fatal(err)
		}
	}
}

// on publishes all on one subject.
func on(subject string) func(int) string { return func(int) string { return subject } }

// await returns when all have arrived.
func (p *phase) await(b *testing.B) {
	b.Helper()
	for last := int64(-1); ; {
		select {
		case <-p.done:
			p.cpu += processorTime()
			return
		case <-time.After(time.Minute):
		}
		if n := p.arrived.Load(); n == last {
			b.Fatalf("%d of %d arrived", n, len(p.events))
		} else {
			last = n
		}
	}
}

// rate is how many arrived a second.
func (p *phase) rate() float64 {
	n := p.arrived.Load()
	return float64(n) / (float64(p.came[n-1]-p.began.UnixNano()) / 1e9)
}

// perCPU is how many arrived in a second of the process's processor time: other processes have little part in it.
func (p *phase) perCPU() float64 { return float64(p.arrived.Load()) / p.cpu.Seconds() }

// p99 is the latency that one in a hundred exceeded.
func (p *phase) p99() time.Duration {
	all := make([]int64, p.arrived.Load())
	for i := range all {
		all[i] = p.came[i] - p.sent[p.events[i]].Load()
	}
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return time.Duration(all[len(all)*99/100])
}

// tail is the rate of the slowest whole second between the last publish and the end, divided by the median second's; 1 if
// there are too few. While events are published, a second without any may be the disk's.
func (p *phase) tail() float64 {
	began := p.sent[len(p.sent)-1].Load()
	end := slices.Max(p.came)
	seconds := make([]float64, (end-began)/1e9)
	if len(seconds) < 3 {
		return 1
	}
	for _, at := range p.came {
		if k := (end - at) / 1e9; int(k) < len(seconds) {
			seconds[k]++
		}
	}
	return slices.Min(seconds) / median(seconds)
}

func median(of []float64) float64 {
	sorted := slices.Sorted(slices.Values(of))
	return sorted[len(sorted)/2]
}

// written is how many messages were written so that deliveries wait for their time.
func written(b *testing.B, r *rig) float64 {
	b.Helper()
	s, err := r.js.Stream(b.Context(), topology.StreamDeliveries)
	if err != nil {
		b.Fatal(err)
	}
	return float64(s.CachedInfo().State.LastSeq)
}

func processorTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// commandHeap gives the benchmarks the heap of the command (cmd/jethook/main.go): its ballast and its GOGC.
var commandHeap = sync.OnceValue(func() (ballast []byte) {
	debug.SetGCPercent(70)
	return make([]byte, 96<<20)
})

// peakHeap samples the bytes of the heap until it is stopped, and returns the most there were beside the ballast.
func peakHeap() (stop func() float64) {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	peak, quit, done := uint64(0), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			metrics.Read(sample)
			peak = max(peak, sample[0].Value.Uint64())
			select {
			case <-tick.C:
			case <-quit:
				return
			}
		}
	}()
	return sync.OnceValue(func() float64 {
		close(quit)
		<-done
		return float64(peak) - float64(len(commandHeap()))
	})
}

// stored is how many bytes the store's files have.
func stored(r *rig) (total float64) {
	filepath.WalkDir(r.cfg.DataDir, func(_ string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			if info, err := entry.Info(); err == nil {
				total += float64(info.Size())
			}
		}
		return nil
	})
	return total
}
