package main

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

var powerCuts = flag.Int("cuts", 3, "how many power cuts TestPowerCuts makes")

// outages is a jethook whose power is cut again and again, with its senders, its endpoints and an operator.
type outages struct {
	t      *testing.T
	disk   *disk
	p      *process
	steady *witness // takes everything
	later  *witness // fails one event in 100, which then waits for an hour
	never  *witness // fails one event in 100, which soon is a dead letter, unless it was pardoned
	ids    struct{ later, never string }
	serial atomic.Int64
	op     *operator

	mu       sync.Mutex // guards what follows
	dark     bool       // the power is off: what a client is told from now on, it never was told
	accepted map[string]bool
	fresh    map[string]bool // those of them that were not looked for yet
	untold   int             // answers that came too late to count

	read    map[string]uint64 // up to where each stream was read
	opening []time.Duration
}

// number is that of an event.
func number(event string) int {
	n, err := strconv.Atoi(event[len("evt_"):])
	if err != nil {
		panic(err)
	}
	return n
}

func waitsLater(event string) bool { return number(event)%100 == 3 }
func neverTaken(event string) bool { return number(event)%100 == 53 }

func newOutages(t *testing.T) *outages {
	t.Helper()
	d := newDisk(t)
	o := &outages{t: t, disk: d, accepted: map[string]bool{}, fresh: map[string]bool{}, read: map[string]uint64{}}
	o.op = newOperator(o)
	o.p = newProcess(t, "JETHOOK_DATA_DIR="+filepath.Join(d.dir, "data"), "JETHOOK_SYNC=always", "JETHOOK_HISTORY_MAX_BYTES=32MiB")
	failing := func(fails func(event string) bool) func(*http.Request) int {
		return func(r *http.Request) int {
			if fails(r.Header.Get("webhook-id")) {
				return http.StatusInternalServerError
			}
			return http.StatusOK
		}
	}
	o.steady = newWitness(t, always(http.StatusOK))
	o.later = newWitness(t, failing(waitsLater))
	o.never = newWitness(t, failing(func(event string) bool { return neverTaken(event) && !o.op.hasPardoned(event) }))
	o.p.start(t, "serve")
	add := func(name, url, schedule string) string {
		var made struct{ ID string }
		o.p.api(t, "POST", "/api/v1/endpoints",
			fmt.Sprintf(`{"name":%q,"url":%q,"events":["webhooks.>","events.order.>"],"retry_schedule":[%q]}`, name, url, schedule), &made)
		o.op.endpoints[made.ID] = true
		return made.ID
	}
	add("steady", o.steady.url, "1s")
	o.ids.later, o.ids.never = add("later", o.later.url, "1h"), add("never", o.never.url, "1s")
	return o
}

// told does what follows from an answer to a client, unless the power was cut before it came.
func (o *outages) told(status int, do func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case status/100 != 2:
	case o.dark:
		o.untold++
	default:
		do()
	}
}

// send sends events until ctx ends, most of them as webhooks and some by the API.
func (o *outages) send(ctx context.Context) {
	client := &http.Client{Transport: &http.Transport{}, Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	for ctx.Err() == nil {
		n := o.serial.Add(1)
		id := fmt.Sprintf("evt_%08d", n)
		var status int
		if n%10 == 0 {
			status, _ = o.p.call(ctx, "POST", "/api/v1/events", `{"type":"order.paid","id":"`+id+`","data":{}}`, nil)
		} else {
			status, _ = o.p.post(ctx, client, id, secret)
		}
		o.told(status, func() { o.accepted[id], o.fresh[id] = true, true })
		if status == 0 { // it is down: do not spin
			time.Sleep(time.Millisecond)
		}
	}
}

// cut cuts the power at a random moment under load, lets it come back, and starts Jethook again.
func (o *outages) cut() {
	o.t.Helper()
	o.mu.Lock()
	o.dark = false
	o.mu.Unlock()
	ctx, stop := context.WithCancel(o.t.Context())
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() { o.send(ctx) })
	}
	clients.Go(func() { o.op.work(ctx) })
	memory := o.inMemory()
	time.Sleep(time.Duration(100+rand.IntN(1400)) * time.Millisecond) // the random moment
	o.mu.Lock()
	o.dark = true
	o.mu.Unlock()
	o.disk.cut(o.t)
	o.p.kill(o.t)
	stop()
	clients.Wait()
	for _, dir := range memory {
		if err := os.RemoveAll(dir); err != nil {
			o.t.Fatal(err)
		}
	}
	o.disk.restore(o.t)
	began := time.Now()
	o.p.start(o.t, "serve")
	o.opening = append(o.opening, time.Since(began))
}

// inMemory is where the process keeps files that a power cut takes as a whole.
func (o *outages) inMemory() (dirs []string) {
	links, err := filepath.Glob(filepath.Join(o.p.setting("JETHOOK_DATA_DIR"), "jetstream/$G/streams/*/batches"))
	if err != nil {
		o.t.Fatal(err)
	}
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil {
			dirs = append(dirs, filepath.Dir(target))
		}
	}
	return dirs
}

// checkStored holds that what senders were told is stored is stored. It reads what came since it did so last.
func (o *outages) checkStored() {
	o.t.Helper()
	for _, stream := range []string{"WEBHOOKS", "EVENTS"} {
		o.readOn(stream, func(id string) { delete(o.fresh, id) })
	}
	for id := range o.fresh {
		o.t.Errorf("%s was answered 2xx and is not stored", id)
	}
	clear(o.fresh)
}

func (o *outages) readOn(stream string, each func(id string)) {
	o.t.Helper()
	js := jetStream(o.t, o.p)
	defer js.Conn().Close()
	s, err := js.Stream(o.t.Context(), stream)
	if err != nil {
		o.t.Fatal(err)
	}
	last := s.CachedInfo().State.LastSeq
	if last <= o.read[stream] {
		return
	}
	consumer, err := js.OrderedConsumer(o.t.Context(), stream, jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: o.read[stream] + 1,
	})
	if err != nil {
		o.t.Fatal(err)
	}
	messages, err := consumer.Messages()
	if err != nil {
		o.t.Fatal(err)
	}
	defer messages.Stop()
	for o.read[stream] < last {
		m, err := messages.Next(jetstream.NextMaxWait(limit))
		if err != nil {
			o.t.Fatalf("reading %s from %d to %d: %v", stream, o.read[stream], last, err)
		}
		meta, err := m.Metadata()
		if err != nil {
			o.t.Fatal(err)
		}
		o.read[stream] = meta.Sequence.Stream
		each(m.Headers().Get("Jethook-Id"))
	}
}

// check holds that nothing is lost that anyone was told before the power was cut.
func (o *outages) check() {
	o.t.Helper()
	o.checkStored()
	o.op.check()
	if o.t.Failed() {
		log := o.p.log.String()
		o.t.Fatalf("after %d cuts\n%s", len(o.opening), log[max(0, len(log)-5000):])
	}
}

// end lets all that can end come to its end, and holds that nothing was lost since the beginning.
func (o *outages) end() {
	o.t.Helper()
	clear(o.read)
	maps.Copy(o.fresh, o.accepted)
	o.checkStored()
	eventually(o.t, "all that was answered 2xx comes", func() bool {
		came := o.steady.requests()
		for id := range o.accepted {
			if !took(came[id]) {
				return false
			}
		}
		return true
	})
	o.checkFailed()
	repeated := 0
	for _, requests := range o.steady.requests() {
		repeated += len(requests) - 1
	}
	o.op.check()
	o.t.Logf("%d cuts: %d events were acknowledged, and %d answers came too late to count; the operator knew of %d deliveries that wait or are dead, %d that were removed or replayed, %d endpoints; %d requests were repeated; the store opened in %s, at most %s",
		len(o.opening), len(o.accepted), o.untold, len(o.op.known), len(o.op.gone), len(o.op.endpoints), repeated, middle(o.opening), slices.Max(o.opening))
}

// checkFailed holds that each failed delivery has its one state.
func (o *outages) checkFailed() {
	o.t.Helper()
	var wrong string
	defer func() {
		if wrong != "" {
			o.t.Log(wrong)
		}
	}()
	eventually(o.t, "every failed delivery has its state", func() bool {
		states, err := o.op.list(o.t.Context())
		if err != nil {
			return false
		}
		wrong = ""
		taken := o.never.requests()
		for id := range o.accepted {
			if found := states[pair{o.ids.later, id}]; waitsLater(id) && (len(found) != 1 || found[0].Status != "waiting") {
				wrong += fmt.Sprintf("%s waits for later: %+v\n", id, found)
			}
			found := states[pair{o.ids.never, id}]
			switch {
			case !neverTaken(id):
			case len(found) == 1 && found[0].Status == "dead": // removing or replaying it may have been cut off
			case len(found) == 0 && (o.op.tried[id] || o.op.hasPardoned(id) && took(taken[id])):
			default:
				wrong += fmt.Sprintf("%s is never taken: %+v, pardoned %t, requests %+v\n", id, found, o.op.hasPardoned(id), taken[id])
			}
		}
		return wrong == ""
	})
}

// Whatever moment the power is cut at, nothing is lost that Jethook has acknowledged: events that senders have an answer
// for, deliveries that wait, dead letters, endpoints. And nothing is back that an operator has removed.
func TestPowerCuts(t *testing.T) {
	t.Parallel()
	o := newOutages(t)
	began := time.Now()
	for range *powerCuts {
		o.cut()
		o.check()
	}
	o.end()
	t.Logf("it took %s", time.Since(began).Round(time.Second))
}

// The power cut is one: without a sync before each answer, acknowledged events are lost. What is there opens.
func TestPowerCutsTakeWhatIsNotSynced(t *testing.T) {
	t.Parallel()
	d := newDisk(t)
	p := newProcess(t, "JETHOOK_DATA_DIR="+filepath.Join(d.dir, "data"), "JETHOOK_SYNC=2m")
	p.start(t, "serve")
	const n = 20
	for i := range n {
		if status, _ := p.post(t.Context(), http.DefaultClient, fmt.Sprint("evt_", i), secret); status != http.StatusAccepted {
			t.Fatalf("the webhook was answered %d", status)
		}
	}
	d.cut(t)
	p.kill(t)
	d.restore(t)
	p.start(t, "serve")
	if stored := storedIDs(t, p); len(stored) == n {
		t.Error("nothing was lost")
	} else {
		t.Logf("%d of %d are stored", len(stored), n)
	}
}
