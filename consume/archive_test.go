package consume_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"jethook/consume/archive"
	"jethook/consume/deliveries"
	"jethook/consume/endpoint"
	"jethook/consume/paging"
	"jethook/publish/topology"
)

// fill stores n events, in order, on the subjects in turn; those of webhooks. have the token after it as source. It
// returns their ids.
func (r *rig) fill(t testing.TB, n int, subjects ...string) (ids []string) {
	t.Helper()
	var stored sync.WaitGroup
	for i := range n {
		subject := subjects[i%len(subjects)]
		e := internal(fmt.Sprintf("fill_%d", i), "a.b")
		e.Subject = subject
		if rest, ok := strings.CutPrefix(subject, topology.WebhooksPrefix); ok {
			e.Source, _, _ = strings.Cut(rest, ".")
		}
		ids = append(ids, e.ID)
		if len(subjects) > 1 { // in one order over several streams
			if _, err := r.bus.Publish(t.Context(), e); err != nil {
				t.Fatal(err)
			}
			continue
		}
		stored.Go(func() {
			if _, err := r.bus.Publish(t.Context(), e); err != nil {
				t.Error(err)
			}
		})
		if i%4000 == 0 {
			stored.Wait()
		}
	}
	stored.Wait()
	return ids
}

// pages returns the ids on all pages of a list of events.
func pages(t testing.TB, a *archive.Archive, q archive.Query, between func()) (ids []string) {
	t.Helper()
	for {
		items, next, err := a.List(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for i := range items {
			ids = append(ids, items[i].ID)
		}
		if next == "" {
			return ids
		}
		if len(items) != q.Limit {
			t.Fatalf("a page of %d with a next one", len(items))
		}
		between()
		q.Cursor = next
	}
}

func TestArchiveListsBothStreamsNewestFirst(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t, time.Hour))
	ids := r.fill(t, 300, "events.a.b", "webhooks.shop.sale", "events.c", "jethook.ops.x", "webhooks.other.sale")
	a := archive.New(r.bus, r.registry)
	every := func(keep func(i int) bool) (want []string) {
		for i, id := range slices.Backward(ids) {
			if keep(i) {
				want = append(want, id)
			}
		}
		return want
	}
	for _, tt := range []struct {
		subject string
		limit   int
		keep    func(i int) bool
	}{
		{"", 7, func(i int) bool { return i%5 != 3 }},
		{">", 500, func(i int) bool { return i%5 != 3 }},
		{"webhooks.>", 11, func(i int) bool { return i%5 == 1 || i%5 == 4 }},
		{"webhooks.*.sale", 11, func(i int) bool { return i%5 == 1 || i%5 == 4 }},
		{"webhooks.other.>", 60, func(i int) bool { return i%5 == 4 }},
		{"events.c", 1, func(i int) bool { return i%5 == 2 }},
		{"jethook.ops.>", 50, func(i int) bool { return i%5 == 3 }},
		{"events.nothing", 50, func(int) bool { return false }},
	} {
		t.Run(fmt.Sprintf("%s by %d", tt.subject, tt.limit), func(t *testing.T) {
			got := pages(t, a, archive.Query{Subject: tt.subject, Limit: tt.limit}, func() {})
			if want := every(tt.keep); !slices.Equal(got, want) {
				t.Errorf("got %d, want %d\n%v\n%v", len(got), len(want), got, want)
			}
		})
	}
}

func TestArchivePagesStayStableWhileNewOnesCome(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t, time.Hour))
	ids := r.fill(t, 50, "events.a.b", "webhooks.shop.sale")
	a := archive.New(r.bus, nil)
	n := 0
	for _, subject := range []string{"", "webhooks.>"} { // the second one while only others come
		got := pages(t, a, archive.Query{Subject: subject, Limit: 7}, func() { n++; r.publish(t, fmt.Sprintf("later_%d", n), "a.b") })
		want := slices.Clone(ids)
		if subject != "" {
			want = slices.DeleteFunc(want, func(id string) bool { return slices.Index(ids, id)%2 == 0 })
		}
		slices.Reverse(want)
		if !slices.Equal(got, want) || n == 0 {
			t.Errorf("%q: got %v, want %v", subject, got, want)
		}
	}
}

func TestArchiveListsByTime(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t, time.Hour))
	ids := r.fill(t, 40, "events.a", "webhooks.shop.a")
	a := archive.New(r.bus, nil)
	s, err := r.js.Stream(t.Context(), topology.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	at := func(i int) time.Time { // when the ith of all was stored, which is in EVENTS for an even i
		m, err := s.GetMsg(t.Context(), s.CachedInfo().State.FirstSeq+uint64(i/2))
		if err != nil {
			t.Fatal(err)
		}
		return m.Time
	}
	none := func() {}
	for _, tt := range []struct {
		since, until time.Time
		want         []string
	}{
		{since: at(10), want: ids[10:]},
		{until: at(10), want: ids[:10]},
		{since: at(10), until: at(30), want: ids[10:30]},
		{since: at(30), until: at(10)},
		{since: time.Now().Add(time.Hour)},
		{until: at(0)},
		{since: at(0).Add(-time.Hour), until: time.Now().Add(time.Hour), want: ids},
	} {
		for _, limit := range []int{3, 100} {
			got := pages(t, a, archive.Query{Since: tt.since, Until: tt.until, Limit: limit}, none)
			slices.Reverse(got)
			if !slices.Equal(got, tt.want) {
				t.Errorf("%v to %v by %d: got %v, want %v", tt.since, tt.until, limit, got, tt.want)
			}
		}
	}
}

// Rare subjects among many, and many that match: spans of every size meet the same events.
func TestArchiveFindsRareSubjects(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t, time.Hour))
	r.publish(t, "oldest", "rare.a")
	r.fill(t, 5000, "events.much")
	r.publish(t, "middle", "rare.b")
	r.publish(t, "late", "rare.a")
	a := archive.New(r.bus, nil)
	none := func() {}
	if got := pages(t, a, archive.Query{Subject: "events.rare.*", Limit: 2}, none); !slices.Equal(got, []string{"late", "middle", "oldest"}) {
		t.Errorf("got %v", got)
	}
	got := pages(t, a, archive.Query{Subject: "events.>", Limit: 500}, none)
	slices.Sort(got)
	if len(slices.Compact(got)) != 5003 {
		t.Errorf("got %d different events", len(got))
	}
	i := rand.IntN(5000)
	found, _, err := a.Find(t.Context(), fmt.Sprintf("fill_%d", i), archive.Query{})
	if err != nil || string(found.Body) != fmt.Sprintf(`{"id":"fill_%d"}`, i) {
		t.Errorf("got %+v, %v", found, err)
	}
}

func TestArchiveFinds(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t, time.Hour))
	a := archive.New(r.bus, nil)
	put := func(source, subject, id string) {
		e := internal(id, "a")
		e.Source, e.Subject = source, subject
		if _, err := r.bus.Publish(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	put("shop", "webhooks.shop.sale", "same")
	put("", "events.sale", "same")
	put("other", "webhooks.other.sale", "same")
	bare := &nats.Msg{Subject: "events.bare", Data: []byte{0xff}}
	receipt, err := r.js.PublishMsg(t.Context(), bare)
	if err != nil {
		t.Fatal(err)
	}
	place := fmt.Sprintf("EVENTS-%d", receipt.Sequence)
	named := &nats.Msg{Subject: "events.named", Header: nats.Header{"Nats-Msg-Id": {"by its Nats-Msg-Id"}}}
	if _, err := r.js.PublishMsg(t.Context(), named); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		id, subject, found string
		others             string
	}{
		{"same", "", "webhooks.other.sale", "[events.sale webhooks.shop.sale]"},
		{"same", "webhooks.shop.>", "webhooks.shop.sale", "[]"},
		{"same", "events.>", "events.sale", "[]"},
		{place, "", "events.bare", "[]"},
		{"by its Nats-Msg-Id", "", "events.named", "[]"},
		{"WEBHOOKS-1", "", "webhooks.shop.sale", "[]"},
	} {
		h, others, err := a.Find(t.Context(), tt.id, archive.Query{Subject: tt.subject})
		slices.Sort(others)
		if err != nil || h.Subject != tt.found || fmt.Sprint(others) != tt.others {
			t.Errorf("%s of %q: %+v %v %v", tt.id, tt.subject, h, others, err)
		}
	}
	for _, id := range []string{"none", "EVENTS-999", "EVENTS-0", "EVENTS-x", "HISTORY-1", ""} {
		if _, _, err := a.Find(t.Context(), id, archive.Query{}); !errors.Is(err, archive.ErrNoEvent) {
			t.Errorf("%q: %v", id, err)
		}
	}
	for _, cursor := range []string{"1", "x-1", "1-2-3", "-"} {
		if _, _, err := a.List(t.Context(), archive.Query{Cursor: cursor, Limit: 1}); !errors.Is(err, paging.ErrBadCursor) {
			t.Errorf("cursor %q: %v", cursor, err)
		}
	}
	for _, subject := range []string{"orders.>", "events", "events.", "events..a", "events.>.a", "jethook.retry.>", "*.a", "events.a b", "events.\u200b"} {
		if _, _, err := a.List(t.Context(), archive.Query{Subject: subject, Limit: 1}); !errors.Is(err, topology.ErrBadPattern) {
			t.Errorf("subject %q: %v", subject, err)
		}
	}
}

// states says of each delivery of an event where it is, by the endpoint's name.
func (r *rig) states(t testing.TB, a *archive.Archive, id string) (states map[string]deliveries.Delivery, trace archive.Trace) {
	t.Helper()
	h, _, err := a.Find(t.Context(), id, archive.Query{})
	if err != nil {
		t.Fatal(err)
	}
	if trace, err = a.Trace(t.Context(), &h); err != nil {
		t.Fatal(err)
	}
	states = map[string]deliveries.Delivery{}
	for _, d := range trace.Deliveries {
		ep, ok := r.registry.Lookup(d.Endpoint)
		if _, twice := states[ep.Name]; !ok || twice {
			t.Fatalf("delivery %+v is of nobody, or there twice", d)
		}
		states[ep.Name] = d
	}
	return states, trace
}

func named(name string, more ...func(*endpoint.Spec)) func(*endpoint.Spec) {
	return func(s *endpoint.Spec) {
		s.Name = &name
		for _, change := range more {
			change(s)
		}
	}
}

func TestTraceTellsOneStateForEachEndpoint(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t, time.Hour))
	a := archive.New(r.bus, r.registry)
	fine, bad, slow := receive(t, always(200)), receive(t, always(500)), make(chan struct{})
	hangs := receive(t, func(int, request, http.ResponseWriter) { <-slow })
	once := func(s *endpoint.Spec) { s.RetrySchedule = []string{} }
	r.add(t, fine.URL, named("fine"), "events.order.>")
	r.add(t, bad.URL, named("fails"), "events.order.*")
	r.add(t, bad.URL, named("dies", once), "events.order.*")
	r.add(t, fine.URL, named("elsewhere"), "events.other")
	r.publish(t, "evt_1", "order.created")
	r.publish(t, "evt_2", "order.created")
	r.settled(t, topology.StreamEvents)
	eventually(t, "all is recorded", func() bool {
		_, trace := r.states(t, a, "evt_1")
		return len(trace.Attempts) == 3
	})
	states, trace := r.states(t, a, "evt_1")
	if d := states["fine"]; d.Status != deliveries.StatusDelivered || d.HTTP != 200 || d.Attempts != 1 {
		t.Errorf("fine: %+v", d)
	}
	if d := states["fails"]; d.Status != deliveries.StatusWaiting || d.Next == nil || d.Attempts != 1 || d.Waits != "retry" {
		t.Errorf("fails: %+v", d)
	}
	if d := states["dies"]; d.Status != deliveries.StatusDead || d.Attempts != 1 || d.Reason == "" {
		t.Errorf("dies: %+v", d)
	}
	if len(states) != 3 || trace.Incomplete {
		t.Errorf("got %+v", trace)
	}
	for _, at := range trace.Attempts {
		if at.EventID != "evt_1" {
			t.Errorf("an attempt of another event: %+v", at)
		}
	}

	// One that nobody has an answer of yet waits for its first attempt, and nobody else does who came too late.
	r.add(t, hangs.URL, named("hangs"), "events.slow")
	defer close(slow)
	r.add(t, hangs.URL, named("in order", ordered), "events.slow")
	r.publish(t, "evt_3", "slow")
	hangs.next(t)
	hangs.next(t)
	states, _ = r.states(t, a, "evt_3")
	for _, name := range []string{"hangs", "in order"} {
		if d := states[name]; d.Status != deliveries.StatusWaiting || d.Waits != "first" || d.Attempts != 0 || d.Next != nil {
			t.Errorf("%s: %+v", name, d)
		}
	}
	r.add(t, fine.URL, named("late"), "events.order.>")
	if states, _ = r.states(t, a, "evt_1"); len(states) != 3 {
		t.Errorf("an endpoint that came later has it: %+v", states)
	}
}

// A delivery that came due and is attempted lies under no subject of its own.
func TestTraceOfADeliveryThatIsDue(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t, time.Millisecond, time.Hour))
	a := archive.New(r.bus, r.registry)
	hang := make(chan struct{})
	defer close(hang)
	rc := receive(t, func(n int, _ request, w http.ResponseWriter) {
		if n > 1 {
			<-hang
		}
		w.WriteHeader(500)
	})
	r.add(t, rc.URL, named("again"), "events.>")
	r.publish(t, "evt_1", "a")
	rc.next(t)
	rc.next(t)
	states, _ := r.states(t, a, "evt_1")
	if d := states["again"]; d.Status != deliveries.StatusWaiting || d.Attempts != 1 || d.Next == nil {
		t.Errorf("got %+v", d)
	}
}
