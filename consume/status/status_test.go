package status_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"jethook/consume/endpoint"
	"jethook/consume/status"
	"jethook/publish/bustest"
	"jethook/publish/delivery"
	"jethook/publish/event"
	"jethook/publish/processes"
	"jethook/publish/report"
	"jethook/publish/topology"
)

func (r *rig) status(t testing.TB) *status.Status {
	t.Helper()
	s, err := status.NewBoard(r.bus, r.registry, nil).Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (r *rig) bury(t testing.TB, d delivery.Delivery) {
	t.Helper()
	bustest.Fill(t, 1, func(_ int, done func(error)) { r.bus.Deliveries().DeadLetter(&d, done) })
}

// answer makes a process report what own says, until the test ends.
func (r *rig) answer(t testing.TB, own report.Process) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- r.bus.Processes().Answer(ctx, func() report.Process { return own }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	for { // until it is subscribed
		if all, _, err := r.bus.Processes().Ask(t.Context()); err != nil {
			t.Fatal(err)
		} else if slices.ContainsFunc(all, func(p report.Process) bool { return p.ID == own.ID }) {
			return
		}
	}
}

func find(t testing.TB, s *status.Status, id string) status.Endpoint {
	t.Helper()
	i := slices.IndexFunc(s.Endpoints, func(e status.Endpoint) bool { return e.ID == id })
	if i < 0 {
		t.Fatalf("%s is not in %+v", id, s.Endpoints)
	}
	return s.Endpoints[i]
}

// What waits is counted, with the oldest event and the next attempt, whatever the order in which it was scheduled.
func TestWhatWaitsIsCounted(t *testing.T) {
	t.Parallel()
	r := start(t)
	few, many, idle := r.add(t, "few", nil), r.add(t, "many", nil), r.add(t, "idle", nil)
	now := time.Now().Truncate(time.Millisecond).UTC()
	dues := []time.Duration{3 * time.Hour, time.Hour, 2 * time.Hour}
	ages := []time.Duration{time.Minute, time.Hour, 3 * time.Hour}
	r.schedule(t, 3, func(i int) delivery.Delivery {
		d := aDelivery(few.ID, i, now.Add(dues[i]))
		d.Event.Received = now.Add(-ages[i])
		return d
	})
	r.schedule(t, 1200, func(i int) delivery.Delivery { return aDelivery(many.ID, i, now.Add(time.Hour)) })
	r.schedule(t, 1, func(int) delivery.Delivery { return aDelivery("ep_removed", 0, now.Add(time.Hour)) })
	for i := range 2 {
		r.bury(t, aDelivery(few.ID, 10+i, time.Time{}))
	}
	s := r.status(t)
	e := find(t, s, few.ID)
	if e.Waiting != 3 || e.Dead != 2 || e.Approximate || !e.NextDue.Equal(now.Add(time.Hour)) || !e.Oldest.Equal(now.Add(-3*time.Hour)) {
		t.Errorf("got %+v: oldest %v, next %v", e, e.Oldest, e.NextDue)
	}
	if e.State != status.Failing { // as far as can be told when no process has asked it
		t.Errorf("what waits has failed before, and the endpoint is %s", e.State)
	}
	if e := find(t, s, many.ID); e.Waiting != 1200 || e.Approximate || e.NextDue == nil || e.Oldest == nil {
		t.Errorf("got %+v", e)
	}
	if e := find(t, s, idle.ID); !e.Idle() || e.State != status.Healthy || e.NextDue != nil || e.Success != nil {
		t.Errorf("got %+v", e)
	}
	if text, err := json.Marshal(s); err != nil || strings.Contains(string(text), "secret-path") {
		t.Errorf("the whole URL is shown: %s %v", text, err)
	}
}

// So much waits that the server is asked for each endpoint: the counts are the same.
func TestManySubjectsAreCounted(t *testing.T) {
	t.Parallel()
	r := start(t)
	var ids []string
	for i := range 20 {
		ids = append(ids, r.add(t, fmt.Sprint("e", i), nil).ID)
	}
	due := time.Now().Add(time.Hour)
	r.schedule(t, 20_500, func(i int) delivery.Delivery {
		if i < 20_000 {
			return aDelivery(ids[0], i, due)
		}
		return aDelivery(ids[1+i%10], i, due)
	})
	s := r.status(t)
	if len(s.Incomplete) != 1 { // no process answers
		t.Errorf("incomplete: %q", s.Incomplete)
	}
	for i, id := range ids {
		want := uint64(0)
		switch {
		case i == 0:
			want = 20_000
		case i <= 10:
			want = 50
		}
		if e := find(t, s, id); e.Waiting != want || e.Approximate != (want > 0) || (e.NextDue != nil) != (want > 0) {
			t.Errorf("%d: got %+v, want %d", i, e, want)
		}
	}
}

// The most urgent endpoint comes first, and each is in the state that its signs say.
func TestUrgentComesFirst(t *testing.T) {
	t.Parallel()
	r := start(t)
	now := time.Now().UTC()
	well := r.add(t, "well", nil)
	waits := r.add(t, "waits", nil)
	dead := r.add(t, "dead", nil)
	off := r.add(t, "off", func(e *endpoint.Endpoint) { e.Disabled, e.DisabledReason = true, "answered 410 Gone" })
	failing := r.add(t, "failing", nil)
	open := r.add(t, "open", func(e *endpoint.Endpoint) { e.FailingSince = now.Add(-time.Hour) })
	for _, id := range []string{waits.ID, off.ID} {
		r.schedule(t, 1, func(int) delivery.Delivery {
			d := aDelivery(id, 0, now.Add(time.Hour))
			d.Attempt, d.Why = 1, delivery.WhyTurn
			return d
		})
	}
	r.bury(t, aDelivery(dead.ID, 0, time.Time{}))
	var hour report.Window
	for i := range 10 {
		hour.Add(now, i > 0, 20*time.Millisecond)
	}
	r.answer(t, report.Process{Peer: processes.Self("consume"), Started: now.Add(-time.Minute), Stalled: map[string]float64{"WEBHOOKS": 42}, Endpoints: []report.Endpoint{
		{ID: failing.ID, LastOK: now.Add(-time.Hour), LastFailed: now, Streak: 3, Status: 503, Class: "status", Hour: hour.Hour(now), Running: 2, InFlight: 5},
		{ID: well.ID, LastOK: now, LastFailed: now.Add(-time.Minute), Streak: 0, Status: 500, Class: "status"},
	}})
	s := r.status(t)
	var order []string
	for _, e := range s.Endpoints {
		order = append(order, e.Name+" "+string(e.State))
	}
	if want := []string{"open open", "failing failing", "off disabled", "dead healthy", "waits healthy", "well healthy"}; !slices.Equal(order, want) {
		t.Errorf("got %q, want %q", order, want)
	}
	e := find(t, s, failing.ID)
	if e.Failures != 3 || e.LastStatus != 503 || e.InFlight != 5 || e.Running != 2 || e.Delivered != 9 || *e.Success != 0.9 ||
		*e.P99 < 18 || *e.P99 > 22 {
		t.Errorf("got %+v", e)
	}
	if e := find(t, s, well.ID); e.LastStatus != 0 || e.Failures != 0 {
		t.Errorf("a failure before the last success is told: %+v", e)
	}
	if !s.HourSince.Equal(now.Add(-time.Minute)) || len(s.Incomplete) != 0 || len(s.Processes) != 1 || s.Processes[0].Stalled["WEBHOOKS"] != 42 {
		t.Errorf("hour since %s, incomplete %q, %d processes", s.HourSince, s.Incomplete, len(s.Processes))
	}
	if e := find(t, s, open.ID); !e.FailingSince.Equal(now.Add(-time.Hour)) {
		t.Errorf("got %+v", e)
	}
}

// Two processes' figures of one endpoint and one source are put together.
func TestReportsAreMerged(t *testing.T) {
	t.Parallel()
	r := start(t)
	ep := r.add(t, "a", nil)
	now := time.Now().UTC()
	var fast, slow report.Window
	for range 50 {
		fast.Add(now, true, 10*time.Millisecond)
		slow.Add(now, false, time.Second)
	}
	for i, p := range []report.Process{
		{
			Endpoints: []report.Endpoint{{ID: ep.ID, Hour: fast.Hour(now), LastOK: now.Add(-time.Second), InFlight: 1}},
			Sources:   []report.Source{{Name: "shop", Accepted: 3, LastSeen: now, Refused: map[string]uint64{"bad_signature": 1}}},
		},
		{
			Endpoints: []report.Endpoint{{ID: ep.ID, Hour: slow.Hour(now), LastFailed: now, Streak: 50, Class: "timeout", InFlight: 2}},
			Sources:   []report.Source{{Name: "shop", Accepted: 4, Duplicates: 1, Refused: map[string]uint64{"bad_signature": 2, "too_large": 1}, ClockOff: -6 * time.Minute}},
		},
	} {
		p.Peer = processes.Self("serve")
		p.Started = now.Add(time.Duration(i-2) * time.Hour)
		r.answer(t, p)
	}
	s := r.status(t)
	e := find(t, s, ep.ID)
	if e.State != status.Failing || e.Delivered != 50 || e.Failed != 50 || e.InFlight != 3 || e.LastClass != "timeout" ||
		*e.P50 < 9 || *e.P50 > 11 || *e.P99 < 900 || *e.P99 > 1100 {
		t.Errorf("got %+v, p50 %v, p99 %v", e, *e.P50, *e.P99)
	}
	if len(s.Sources) != 1 || s.Sources[0].Accepted != 7 || s.Sources[0].Duplicates != 1 || s.Sources[0].Refused["bad_signature"] != 3 ||
		s.Sources[0].Refused["too_large"] != 1 || s.Sources[0].ClockOff != -360 || !s.Sources[0].LastSeen.Equal(now) {
		t.Errorf("got %+v", s.Sources)
	}
}

// Who asks at the same time gets the same status, and without a process that delivers, or any that answers, the
// status says what it lacks.
func TestStatusIsSharedAndNeverFails(t *testing.T) {
	t.Parallel()
	r := start(t)
	board := status.NewBoard(r.bus, nil, nil)
	got := make(chan *status.Status, 8)
	for range cap(got) {
		go func() {
			s, err := board.Status(t.Context())
			if err != nil {
				t.Error(err)
			}
			got <- s
		}()
	}
	first := <-got
	for range cap(got) - 1 {
		if s := <-got; s != first {
			t.Error("a status was made for each who asked")
		}
	}
	if len(first.Incomplete) != 2 || len(first.Streams) != 7 || first.Store.Limit == 0 {
		t.Errorf("got %+v", first)
	}
	r.bus.Close()
	s := r.status(t)
	if len(s.Incomplete) < 5 {
		t.Errorf("without a bus: %q", s.Incomplete)
	}
}

// A stream's fill is told in percent of its limits.
func TestStreamsAndQueues(t *testing.T) {
	t.Parallel()
	r := start(t)
	now := time.Now()
	for i := range 3 {
		if _, err := r.bus.Publish(t.Context(), &event.Event{ID: fmt.Sprint(i), Type: "a", Subject: "events.a", Received: now, Body: []byte("{}")}); err != nil {
			t.Fatal(err)
		}
	}
	r.bury(t, aDelivery("ep_1", 1, time.Time{}))
	if _, err := r.bus.Queues().Open(t.Context(), topology.QueueEvents); err != nil {
		t.Fatal(err)
	}
	s := r.status(t)
	for _, st := range s.Streams {
		if st.Name == topology.StreamEvents && (st.Messages != 3 || st.MaxAge != "168h" || st.MaxBytes != 0 || st.Percent != nil || st.Oldest == nil) {
			t.Errorf("got %+v", st)
		}
		if st.Name == topology.StreamDead && (st.MaxBytes == 0 || st.Percent == nil || *st.Percent > 1) {
			t.Errorf("got %+v", st)
		}
	}
	if len(s.Queues) != 1 || s.Queues[0].Stream != topology.StreamEvents || s.Queues[0].Pending != 3 || s.Queues[0].Oldest == nil {
		t.Errorf("got %+v", s.Queues)
	}
}
