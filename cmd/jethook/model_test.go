package main

import (
	"context"
	"encoding/base64"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"jethook/publish/topology"
)

var (
	modelSeed  = flag.Uint64("model.seed", 0, "seed of the first run of TestModel; 0: fixed ones")
	modelRuns  = flag.Int("model.runs", 3, "how many runs TestModel makes, at the same time, each with the next seed")
	modelSteps = flag.Int("model.steps", 8, "how many steps each run has")
)

// Whatever is done to it, each (event, endpoint) is in exactly one state, and nothing that was accepted is missing:
// the real binary and a model of it get the same random operations, with kills and restarts in between, and are then
// compared. In every other run a second process delivers as well, and either is stopped for longer than the bus waits for an
// acknowledgement. A seed chooses the operations, not the moments at which what happens inside of a process is cut off.
func TestModel(t *testing.T) {
	t.Parallel()
	first := max(*modelSeed, 1)
	var runs sync.WaitGroup // they wait most of the time: more of them than processors may run at once
	for seed := first; seed < first+uint64(*modelRuns); seed++ {
		runs.Go(func() {
			t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
				m := newModel(t, seed)
				for range *modelSteps {
					m.step()
				}
				m.end()
			})
		})
	}
	runs.Wait()
}

// model knows what each delivery of the real process may have come to.
type model struct {
	t         *testing.T
	rng       *rand.Rand
	p         *process
	other     *process // that delivers too; nil: there is none
	watch     *watcher
	endpoints []*modelEndpoint
	events    []*modelEvent
	restarts  map[pair]int // how often a new schedule of a pair may have begun
	cuts      []time.Time  // when a process was killed, or stopped for a while
	pauses    []time.Time  // when one was stopped for a while
	repeated  int          // how often an event was taken once more because of that
	log       []string     // what was done, for a failure
}

type modelEndpoint struct {
	*witness
	id, name  string
	patterns  []string
	attempts  int // that its schedule makes
	ordered   bool
	mayBeGone bool // its receiver may answer 410
	unsure    bool // it has answered 410: Jethook disables it at a moment that the model does not know
	disabled  bool
	deleted   bool
}

type modelEvent struct {
	id, subject string
	accepted    bool                         // the process said that it is stored
	done        time.Time                    // when it was seen to be acknowledged; zero: not yet
	expect      map[*modelEndpoint]certainty // endpoints that are absent must not get it
}

// certainty says whether an endpoint gets an event.
type certainty int

const (
	never certainty = iota
	perhaps
	surely
)

func newModel(t *testing.T, seed uint64) *model {
	t.Helper()
	sync := []string{"JETHOOK_SYNC=always", "JETHOOK_SYNC=2m"}[seed%2]
	m := &model{
		t: t, rng: rand.New(rand.NewPCG(seed, 0)), p: newProcess(t, sync, "JETHOOK_RETRY_SCHEDULE=1s,1s"),
		restarts: map[pair]int{},
	}
	m.p.start(t, "serve")
	if seed%4 > 1 {
		m.other = newProcess(t, "JETHOOK_NATS_URL=nats://"+natsAdminToken+"@"+m.p.nats, "JETHOOK_RETRY_SCHEDULE=1s,1s")
		m.other.start(t, "consume")
	}
	m.watch = watch(t, m.p.nats)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("again: go test ./cmd/jethook -run TestModel -model.seed=%d -model.runs=1 -model.steps=%d\n%s\n%s",
				seed, *modelSteps, strings.Join(m.log, "\n"), m.p.log)
			if m.other != nil {
				t.Logf("the other process: %s", m.other.log)
			}
		}
	})
	m.create(`"retry_schedule":["1s","1s"]`, 3, "events.>")
	m.create(`"retry_schedule":["1s"]`, 2, "events.order.*", "events.order.paid", "webhooks.acme.>")
	m.create(`"retry_schedule":[]`, 1, "webhooks.>", "events.user.*")
	m.create(`"retry_schedule":["1s"],"ordered":true`, 2, "events.order.>", "webhooks.>").ordered = true
	m.create(`"rate_limit":"20/s"`, 3, "events.>", "webhooks.acme.thing.happened")
	m.create(`"retry_schedule":["1s","1s"]`, 3, "webhooks.>", "events.user.>").mayBeGone = true
	return m
}

func (m *model) note(format string, a ...any) {
	m.log = append(m.log, time.Now().Format("05.000 ")+fmt.Sprintf(format, a...))
}

// create adds an endpoint. It is never cut off, so that the model knows its secret.
func (m *model) create(options string, attempts int, patterns ...string) *modelEndpoint {
	m.t.Helper()
	e := &modelEndpoint{
		witness: newWitness(m.t, always(http.StatusOK)), name: fmt.Sprint("endpoint_", len(m.endpoints)),
		patterns: patterns, attempts: attempts,
	}
	var made struct{ ID, Secret string }
	m.p.api(m.t, "POST", "/api/v1/endpoints", fmt.Sprintf(`{"name":%q,"url":%q,"events":["%s"],%s}`,
		e.name, e.url, strings.Join(patterns, `","`), options), &made)
	e.id = made.ID
	e.secrets = []secretSpan{{key: keyOf(made.Secret)}}
	m.endpoints = append(m.endpoints, e)
	m.doubt(e)
	m.note("%s is %s", e.name, e.id)
	return e
}

func keyOf(secret string) []byte {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		panic(err)
	}
	return key
}

func (e *modelEndpoint) matches(subject string) bool {
	return slices.ContainsFunc(e.patterns, func(pattern string) bool {
		if root, all := strings.CutSuffix(pattern, ">"); all {
			return strings.HasPrefix(subject, root)
		}
		root, one := strings.CutSuffix(pattern, "*")
		rest, ok := strings.CutPrefix(subject, root)
		return ok && (one && !strings.Contains(rest, ".") && rest != "" || !one && rest == "")
	})
}

// doubt makes uncertain whether an endpoint gets the events that may still be matched, because its state changes.
func (m *model) doubt(e *modelEndpoint) {
	for _, event := range m.events {
		if event.done.IsZero() && e.matches(event.subject) && !(e.ordered && event.expect[e] == surely) {
			event.expect[e] = perhaps
		}
	}
}

// forgettable is how long a killed server may have forgotten acknowledgements for: it writes them down ten times a
// second. Such events come again, and are matched with the endpoints of then.
const forgettable = 3 * time.Second

// forgets lets events that were done a moment ago come again, as far as the model knows.
func (m *model) forgets() {
	for _, event := range m.events {
		if event.done.IsZero() || time.Since(event.done) > forgettable {
			continue
		}
		event.done = time.Time{}
		for _, e := range m.endpoints {
			if e.matches(event.subject) && event.expect[e] == never {
				event.expect[e] = perhaps
			}
		}
	}
}

// step does a few things at the same time, and perhaps kills or stops the process meanwhile.
func (m *model) step() {
	var acts []func(context.Context)
	changing := map[*modelEndpoint]bool{}
	for range m.rng.IntN(2) {
		acts = append(acts, m.change(changing))
	}
	for range m.rng.IntN(6) {
		acts = append(acts, m.publish(changing))
	}
	for range m.rng.IntN(3) {
		acts = append(acts, m.press())
	}
	if m.rng.IntN(2) == 0 {
		m.behave()
	}
	end := m.rng.IntN(10)
	moment := time.Duration(m.rng.IntN(8000)) * time.Microsecond
	if m.rng.IntN(3) == 0 {
		moment *= 200 // attempts and retries are under way
	}
	var all sync.WaitGroup
	for _, act := range acts {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(m.t.Context(), limit)
			defer cancel()
			act(ctx)
		})
	}
	switch {
	case end < 4:
		time.Sleep(moment) // the random moment
		m.note("kill after %s", moment)
		m.cut()
		m.p.kill(m.t)
		m.forgets()
		all.Wait()
		m.p.start(m.t, "serve")
	case end < 5:
		time.Sleep(moment)
		m.note("stop after %s", moment)
		m.p.signal(m.t, syscall.SIGTERM)
		if err := m.p.cmd.Wait(); err != nil {
			m.t.Errorf("stopping: %v\n%s", err, m.p.log)
		}
		all.Wait()
		m.p.start(m.t, "serve")
	case end < 6 && m.other != nil:
		time.Sleep(moment)
		m.note("kill the other after %s", moment)
		m.cut()
		m.other.kill(m.t)
		m.other.start(m.t, "consume")
		all.Wait()
	case end < 7 && m.other != nil:
		time.Sleep(moment)
		p := []*process{m.p, m.other}[m.rng.IntN(2)]
		m.note("pause after %s, the other: %t", moment, p == m.other)
		m.cut()
		m.pauses = append(m.pauses, time.Now())
		p.signal(m.t, syscall.SIGSTOP)
		time.Sleep(topology.AckWait + time.Second) // what passes is the time that this is about
		p.signal(m.t, syscall.SIGCONT)
		all.Wait()
	default:
		all.Wait()
	}
	for e := range changing {
		m.learn(e)
	}
	switch m.rng.IntN(4) {
	case 0:
		m.settle()
	case 1:
		m.compare()
	}
}

// cut notes that a process is cut off now.
func (m *model) cut() { m.cuts = append(m.cuts, time.Now()) }

// behave chooses how a receiver answers from now on.
func (m *model) behave() {
	e := m.endpoints[m.rng.IntN(len(m.endpoints))]
	answers := []int{http.StatusOK, http.StatusOK, http.StatusInternalServerError, http.StatusInternalServerError, hangUp, hesitate}
	if e.mayBeGone {
		answers = append(answers, http.StatusGone)
	}
	answer := answers[m.rng.IntN(len(answers))]
	if answer == http.StatusGone {
		e.unsure = true
		m.doubt(e)
	}
	m.note("%s answers %d", e.name, answer)
	e.answers(always(answer))
}

// publish sends an event on one of the ways in.
func (m *model) publish(changing map[*modelEndpoint]bool) func(context.Context) {
	event := &modelEvent{id: fmt.Sprint("evt_", len(m.events)), expect: map[*modelEndpoint]certainty{}}
	types := []string{"order.created", "order.paid", "user.new"}
	eventType := types[m.rng.IntN(len(types))]
	event.subject = "events." + eventType
	way := m.rng.IntN(3)
	if way == 0 {
		event.subject = "webhooks.acme.thing.happened"
	}
	for _, e := range m.endpoints {
		switch {
		case e.deleted || !e.matches(event.subject):
		case e.ordered:
			event.expect[e] = surely
		case changing[e] || e.unsure:
			event.expect[e] = perhaps
		case !e.disabled:
			event.expect[e] = surely
		case m.watch.mayLag(m.t.Context(), e.id, event.subject): // what passes by begins where its cursor joins, a moment later
			event.expect[e] = perhaps
		}
	}
	m.events = append(m.events, event)
	m.note("publish %s on %s", event.id, event.subject)
	return func(ctx context.Context) {
		switch way {
		case 0:
			status, _ := m.p.post(ctx, http.DefaultClient, event.id, secret)
			event.accepted = status/100 == 2
		case 1:
			status, _ := m.p.call(ctx, "POST", "/api/v1/events", fmt.Sprintf(`{"type":%q,"id":%q,"data":{}}`, eventType, event.id), nil)
			event.accepted = status/100 == 2
		default:
			event.accepted = m.watch.publish(ctx, event.subject, event.id) == nil
		}
	}
}

// change switches an endpoint on or off, gives it another secret, or removes it.
func (m *model) change(changing map[*modelEndpoint]bool) func(context.Context) {
	e := m.endpoints[m.rng.IntN(len(m.endpoints))]
	if e.deleted || changing[e] {
		return func(context.Context) {}
	}
	path := "/api/v1/endpoints/" + e.id
	what := m.rng.IntN(20)
	switch {
	case what == 0:
		changing[e] = true
		e.deleted = true
		m.note("delete %s", e.name)
		return func(ctx context.Context) { m.p.call(ctx, "DELETE", path, "", nil) }
	case what < 7:
		return m.rotate(e, path)
	case what < 14 && !e.disabled:
		changing[e] = true
		m.doubt(e)
		m.note("disable %s", e.name)
		return func(ctx context.Context) { m.p.call(ctx, "POST", path+"/disable", "", nil) }
	default:
		changing[e] = true
		m.doubt(e)
		m.note("enable %s", e.name)
		return func(ctx context.Context) { m.p.call(ctx, "POST", path+"/enable", "", nil) }
	}
}

// unheard is how long a process may go on by what it knew when the server was killed or stopped: until it is back, and has
// connected again.
const unheard = 15 * time.Second

// rotate gives an endpoint another secret: the old one is valid until that is answered, and heard of.
func (m *model) rotate(e *modelEndpoint, path string) func(context.Context) {
	raw := make([]byte, 24)
	for i := range raw {
		raw[i] = byte(m.rng.Uint32())
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.secrets = append(e.secrets, secretSpan{key: raw})
	last := len(e.secrets) - 1
	m.note("new secret of %s", e.name)
	return func(ctx context.Context) {
		text := "whsec_" + base64.StdEncoding.EncodeToString(raw)
		status, _ := m.p.call(ctx, "PATCH", path, `{"secret":"`+text+`"}`, nil)
		if status != http.StatusOK { // cut off: nobody knows
			return
		}
		e.mu.Lock()
		defer e.mu.Unlock()
		for i := range e.secrets[:last] {
			if e.secrets[i].until.IsZero() {
				e.secrets[i].until = time.Now().Add(unheard)
			}
		}
	}
}

// learn asks for an endpoint's state after a change that may have been cut off.
func (m *model) learn(e *modelEndpoint) {
	path := "/api/v1/endpoints/" + e.id
	if e.deleted { // a removal that was cut off is asked for again
		if status, err := m.p.call(m.t.Context(), "DELETE", path, "", nil); err != nil || status != http.StatusNoContent && status != http.StatusNotFound {
			m.t.Fatalf("removing %s: %d %v", e.name, status, err)
		}
		return
	}
	var now struct{ Disabled bool }
	m.p.api(m.t, "GET", path, "", &now)
	e.disabled = now.Disabled
}

// press asks for an attempt of something that waits or is dead, once or twice, or replays dead letters.
func (m *model) press() func(context.Context) {
	if m.rng.IntN(3) == 0 {
		e := m.endpoints[m.rng.IntN(len(m.endpoints))]
		for _, event := range m.events {
			m.restarts[pair{e.id, event.id}]++
		}
		m.note("replay what is dead of %s", e.name)
		return func(ctx context.Context) {
			m.p.call(ctx, "POST", "/api/v1/dead/replay", `{"endpoint":"`+e.id+`"}`, nil)
		}
	}
	status := []string{"waiting", "dead"}[m.rng.IntN(2)]
	all, err := m.p.walk(m.t.Context(), status)
	if err != nil || len(all) == 0 { // a busy store, or nothing
		return func(context.Context) {}
	}
	d := all[m.rng.IntN(len(all))]
	m.restarts[pair{d.Endpoint, d.Event}]++
	m.note("retry %s, which is %s", d.ID, status)
	path, body, times := "/api/v1/deliveries/"+d.ID+"/retry", "", 1+m.rng.IntN(2)
	if m.rng.IntN(3) == 0 {
		path, body = "/api/v1/dead/replay", `{"ids":["`+d.ID+`"]}`
	}
	return func(ctx context.Context) {
		var pressed sync.WaitGroup
		for range times {
			pressed.Go(func() { m.p.call(ctx, "POST", path, body, nil) })
		}
		pressed.Wait()
	}
}

// settle waits until every event has an outcome for each of its endpoints.
func (m *model) settle() {
	defer m.tell()
	eventually(m.t, "every event is matched", func() bool { return m.watch.matched(m.t.Context()) })
	m.note("settled")
	for _, event := range m.events {
		if event.done.IsZero() {
			event.done = time.Now()
		}
	}
}

// compare holds a moment's lists against what is true at every moment: nothing waits that is dead, for longer than
// the moment between two writes.
func (m *model) compare() {
	var both []listed
	defer func() {
		if m.t.Failed() {
			m.t.Logf("waiting and dead: %+v\n%s\n%s", both, m.traces(both), m.watch.graves(context.Background()))
		}
	}()
	eventually(m.t, "nothing is waiting and dead", func() bool {
		states, err := m.p.states(m.t.Context())
		if err != nil { // a busy store
			return false
		}
		for _, found := range states {
			waits := slices.ContainsFunc(found, func(d listed) bool { return d.Status == "waiting" })
			dead := slices.ContainsFunc(found, func(d listed) bool { return d.Status == "dead" })
			if waits && dead {
				both = found
				return false
			}
		}
		return true
	})
}

// traces describes what became of some deliveries, as their receivers saw it and as it is recorded.
func (m *model) traces(found []listed) (text string) {
	for _, e := range m.endpoints {
		if len(found) > 0 && e.id == found[0].Endpoint {
			text += fmt.Sprintf("requests: %+v\n", e.requests()[found[0].Event])
		}
	}
	for _, stream := range []string{"HISTORY", "DELIVERIES"} {
		text += m.watch.messages(context.Background(), stream, func(msg *jetstream.RawStreamMsg) bool {
			return len(found) > 0 && strings.Contains(msg.Subject+string(msg.Data), found[0].ID)
		})
	}
	return text
}

// end lets everything come to its end and compares all of it.
func (m *model) end() {
	bad := m.endpoints[m.rng.IntN(len(m.endpoints))]
	for _, e := range m.endpoints {
		if e.deleted {
			continue
		}
		e.answers(always(http.StatusOK))
		if e == bad && !e.ordered { // one that is ordered would take its schedule's time for each event
			e.answers(failEveryOther) // its circuit stays closed: nothing dies while it is open
		}
		m.doubt(e)
		m.p.api(m.t, "POST", "/api/v1/endpoints/"+e.id+"/enable", "", nil)
	}
	m.note("the end begins")
	defer m.tell()
	eventually(m.t, "everything has come to its end", func() bool { return m.watch.quiet(m.t.Context()) })
	m.note("all is quiet")
	states, err := m.p.states(m.t.Context())
	if err != nil {
		m.t.Fatal(err)
	}
	stored := m.watch.stored(m.t.Context(), m.t, "EVENTS")
	for id := range m.watch.stored(m.t.Context(), m.t, "WEBHOOKS") {
		stored[id] = true
	}
	matched := 0
	for _, event := range m.events {
		if event.accepted && !stored[event.id] {
			m.t.Errorf("%s was accepted and is not stored", event.id)
		}
		for _, e := range m.endpoints {
			k := pair{e.id, event.id}
			m.check(e, event, stored[event.id], states[k])
			matched += len(states[k])
			delete(states, k)
		}
	}
	for k, found := range states {
		m.t.Errorf("nobody published %s: %+v", k, found)
	}
	m.t.Logf("%d events, %d deliveries, each in one state; %d taken again after %d kills and pauses", len(m.events), matched, m.repeated, len(m.cuts))
}

// tell says what is left, if that is too much.
func (m *model) tell() {
	if m.t.Failed() {
		waiting, err := m.p.walk(context.Background(), "waiting")
		m.t.Logf("waiting: %+v %v\nleft: %s\n%s", waiting, err, m.watch.left(context.Background()), m.watch.graves(context.Background()))
		for _, p := range []*process{m.p, m.other} {
			if p != nil {
				m.t.Logf("what its followers do: %s", p.stacks("follower"))
			}
		}
	}
}

// stacks ends a process and returns what its goroutines with a name in their stack were doing.
func (p *process) stacks(name string) string {
	before := len(p.log.String())
	p.cmd.Process.Signal(syscall.SIGQUIT) //nolint:errcheck // it may have died
	p.cmd.Wait()                          //nolint:errcheck // it dies of the signal
	blocks := strings.Split(p.log.String()[before:], "\n\n")
	return strings.Join(slices.DeleteFunc(blocks, func(b string) bool { return !strings.Contains(b, name) }), "\n\n")
}

// failEveryOther answers 500 for every other event.
func failEveryOther(r *http.Request) int {
	if id := r.Header.Get("webhook-id"); (id[len(id)-1]-'0')%2 == 1 {
		return http.StatusInternalServerError
	}
	return http.StatusOK
}

// unexplained counts how often an event was taken once more although no process had been cut off that may have held it.
func (m *model) unexplained(requests []request) (n int) {
	var last time.Time
	for _, r := range requests {
		if r.status != http.StatusOK {
			continue
		}
		switch {
		case last.IsZero():
		case explains(m.cuts, last, r.at):
			m.repeated++
		default:
			n++
		}
		last = r.at
	}
	return n
}

// explains reports whether one of the cuts explains a request after another one, as one of who was stopped while it held the
// event, or of who got it from who was killed.
func explains(cuts []time.Time, last, next time.Time) bool {
	held := last.Add(-2 * topology.AckWait)
	return slices.ContainsFunc(cuts, func(at time.Time) bool { return at.After(held) && at.Before(next) })
}

// check holds one delivery against the model.
func (m *model) check(e *modelEndpoint, event *modelEvent, stored bool, found []listed) {
	requests := e.requests()[event.id]
	fail := func(what string) {
		m.t.Helper()
		m.t.Errorf("%s of %s (%s, %d): %s: %+v, requests %+v\n%s", event.id, e.name, e.id, event.expect[e], what, found, requests, m.traces(found))
	}
	for _, r := range requests {
		if !r.verified {
			fail("not verified")
		}
	}
	if e.deleted {
		if slices.ContainsFunc(found, func(d listed) bool { return d.Status != "delivered" }) {
			fail("its endpoint is removed")
		}
		return
	}
	if falls(requests, m.pauses) > m.restarts[pair{e.id, event.id}] {
		fail("its attempts are counted down")
	}
	if m.unexplained(requests) > m.restarts[pair{e.id, event.id}] {
		fail("taken again without a kill")
	}
	switch expect := event.expect[e]; {
	case !stored && len(found)+len(requests) > 0:
		fail("not stored")
	case len(found) > 1:
		fail("more than one state")
	case expect == never && len(found)+len(requests) > 0:
		fail("not matched")
	case stored && expect == surely && len(found) == 0:
		fail("no state")
	}
	for _, d := range found {
		switch {
		case d.Status == "delivered" && !took(requests):
			fail("delivered to nobody")
		case d.Status == "dead" && d.Attempts != e.attempts:
			fail("dead too early or too late")
		}
	}
}
