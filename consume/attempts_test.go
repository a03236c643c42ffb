package consume_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"jethook/consume/attempt"
	"jethook/consume/deliveries"
	"jethook/consume/endpoint"
	"jethook/consume/history"
	"jethook/consume/paging"
	"jethook/publish"
	"jethook/publish/delivery"
	"jethook/publish/topology"
)

// withHistory is a store of deliveries over a bus of its own, without an engine.
func withHistory(t testing.TB) (*publish.Bus, *deliveries.Store) {
	t.Helper()
	r := start(t, settings(t))
	return r.bus, deliveries.New(r.bus, nil)
}

// record stores attempts.
func record(t testing.TB, bus *publish.Bus, attempts []history.Attempt) {
	t.Helper()
	var stored sync.WaitGroup
	for i := range attempts {
		a := &attempts[i]
		line, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		stored.Add(1)
		trait := delivery.HistoryKey{Endpoint: a.Endpoint, Outcome: string(a.Outcome), Class: string(a.Class), Status: a.Status}
		bus.Deliveries().Record(trait, line, func(err error) {
			if err != nil {
				t.Error(err)
			}
			stored.Done()
		})
	}
	stored.Wait()
}

func some[T any](draw *rand.Rand, of ...T) T { return of[draw.IntN(len(of))] }

// randomAttempts are like those of a few endpoints over a time.
func randomAttempts(n int) []history.Attempt {
	draw := rand.New(rand.NewPCG(5, 6))
	all := make([]history.Attempt, n)
	for i := range all {
		a := history.Attempt{
			Time: time.Now().UTC(), Endpoint: fmt.Sprint("ep_", draw.IntN(4)), EventID: fmt.Sprint("evt_", i/5), Attempt: 1 + draw.IntN(3),
			Type: some(draw, "order.created", "order.paid", "order.paid.late", "invoice", `<&"`), Class: attempt.ClassOK,
			Outcome: history.Delivered, Status: some(draw, 200, 204), DurationMS: float64(i), Response: "evt_1 order.created",
		}
		if draw.IntN(3) == 0 {
			a.Outcome = some(draw, history.Failed, history.Dead)
			a.Class = some(draw, attempt.ClassStatus, attempt.ClassTimeout, attempt.ClassDNS)
			a.Status = 0
			if a.Class == attempt.ClassStatus {
				a.Status = some(draw, 429, 500, 503)
			}
		}
		a.Delivery = a.Endpoint + ".events:" + a.EventID
		all[i] = a
	}
	return all
}

// all reads every page of a query, and returns the numbers of the attempts, which they have as their durations.
func all(t testing.TB, l *deliveries.Store, q deliveries.AttemptQuery) (got []int) {
	t.Helper()
	for {
		items, next, err := l.Attempts(t.Context(), q)
		if err != nil || q.Limit > 0 && len(items) > q.Limit {
			t.Fatalf("%d attempts: %v", len(items), err)
		}
		for i := range items {
			got = append(got, int(items[i].DurationMS))
		}
		if next == "" {
			return got
		}
		q.Cursor = next
	}
}

// Filters, alone and together, choose what they say, newest first, whatever the size of the pages.
func TestAttempts(t *testing.T) {
	t.Parallel()
	bus, ledger := withHistory(t)
	attempts := randomAttempts(1500)
	record(t, bus, attempts)
	is := func(q deliveries.AttemptQuery, a *history.Attempt) bool {
		order := q.Type == "order.*" && (a.Type == "order.created" || a.Type == "order.paid") ||
			q.Type == "order.>" && strings.HasPrefix(a.Type, "order.") || q.Type == ">"
		return (q.Endpoint == "" || q.Endpoint == a.Endpoint) && (q.Delivery == "" || q.Delivery == a.Delivery) &&
			(q.EventID == "" || q.EventID == a.EventID) && (q.Outcome == "" || q.Outcome == a.Outcome) &&
			(q.Class == "" || q.Class == a.Class) && (q.Status == 0 || q.Status == a.Status) &&
			(q.Type == "" || q.Type == a.Type || order)
	}
	for _, q := range []deliveries.AttemptQuery{
		{},
		{Endpoint: "ep_1"},
		{Endpoint: "ep_9"},
		{Delivery: attempts[700].Delivery},
		{EventID: "evt_1"},
		{EventID: "evt_7", Endpoint: "ep_2"},
		{EventID: "evt"},
		{Outcome: history.Dead},
		{Class: attempt.ClassTimeout, Outcome: history.Failed},
		{Status: 429},
		{Status: 204, Endpoint: "ep_3"},
		{Type: "order.created"},
		{Type: "order.*"},
		{Type: "order.>", Outcome: history.Failed, Endpoint: "ep_0"},
		{Type: `<&"`},
		{Type: "*"},
		{Type: ">"},
	} {
		var want []int
		for i := len(attempts) - 1; i >= 0; i-- {
			a := &attempts[i]
			if is(q, a) || q.Type == "*" && !strings.Contains(a.Type, ".") {
				want = append(want, i)
			}
		}
		for _, limit := range []int{0, 3, 100} {
			if limit == 3 && len(want) > 200 {
				continue
			}
			q.Limit = limit
			if got := all(t, ledger, q); !slices.Equal(got, want) {
				t.Errorf("%+v: got %d, want %d: %v", q, len(got), len(want), got)
			}
		}
	}
	for _, cursor := range []string{"!", "0", "-1", "zzzzzzzzzzzzzzzzzzzz"} {
		if _, _, err := ledger.Attempts(t.Context(), deliveries.AttemptQuery{Cursor: cursor}); !errors.Is(err, paging.ErrBadCursor) {
			t.Errorf("cursor %q: %v", cursor, err)
		}
	}
}

// What is recorded while pages are read is on none of them, and moves nothing on them.
func TestAttemptsWhileMoreAreMade(t *testing.T) {
	t.Parallel()
	bus, ledger := withHistory(t)
	attempts := randomAttempts(600)
	record(t, bus, attempts[:300])
	for _, q := range []deliveries.AttemptQuery{{Limit: 20}, {Limit: 20, Endpoint: "ep_1"}, {Limit: 20, Type: "order.*"}} {
		want := all(t, ledger, q)
		var got []int
		for n := 0; ; n++ {
			items, next, err := ledger.Attempts(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			for i := range items {
				got = append(got, int(items[i].DurationMS))
			}
			if q.Cursor = next; next == "" {
				break
			}
			record(t, bus, attempts[300+n*10:310+n*10])
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %v\nwant %v", got, want)
		}
	}
}

// A page holds a bounded number of bytes, however large the answers are that were kept.
func TestAttemptsWithLargeAnswers(t *testing.T) {
	t.Parallel()
	bus, ledger := withHistory(t)
	attempts := randomAttempts(900)
	body := strings.Repeat("x", 16<<10)
	for i := range attempts {
		attempts[i].Response = body
	}
	record(t, bus, attempts) // 15 MB
	var got []int
	for q := (deliveries.AttemptQuery{Limit: paging.Max}); ; {
		items, next, err := ledger.Attempts(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if size := len(items) * len(body); size > 9<<20 {
			t.Errorf("a page of %d bytes", size)
		}
		for i := range items {
			got = append(got, int(items[i].DurationMS))
		}
		if q.Cursor = next; next == "" {
			break
		}
	}
	if len(got) != len(attempts) || got[0] != len(attempts)-1 || !slices.IsSortedFunc(got, func(a, b int) int { return b - a }) {
		t.Errorf("got %d of %d attempts", len(got), len(attempts))
	}
}

// A line of another version is passed over.
func TestAttemptsPassesOverOtherLines(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t))
	record(t, r.bus, randomAttempts(1))
	if _, err := r.js.Publish(t.Context(), "jethook.history.ep_1.delivered", []byte("no JSON")); err != nil {
		t.Fatal(err)
	}
	for _, q := range []deliveries.AttemptQuery{{}, {Type: ">"}} {
		if got := all(t, r.ledger, q); len(got) != 1 {
			t.Errorf("%+v: got %v", q, got)
		}
	}
}

// Each attempt is recorded as it was made, also after its endpoint has changed.
func TestAttemptTellsItsRequest(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t, time.Hour))
	answer := strings.Repeat("é", 10_000) // 20 kB
	rc := receive(t, func(_ int, _ request, w http.ResponseWriter) {
		w.WriteHeader(http.StatusTeapot)
		w.Write([]byte(answer)) //nolint:errcheck // the delivery tells
	})
	ep := r.add(t, rc.URL+"/hook?key=secret", func(s *endpoint.Spec) { s.Headers = map[string]string{"X-Team": "secret"} }, "events.a")
	r.publish(t, "evt_1", "a")
	got := rc.next(t)
	r.settled(t, topology.StreamEvents)
	if _, err := r.registry.Update(t.Context(), ep.ID, func(e *endpoint.Endpoint) error {
		e.URL, e.Headers = "https://example.com/other", nil
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	attempts, _, err := r.ledger.Attempts(t.Context(), deliveries.AttemptQuery{EventID: "evt_1"})
	if err != nil || len(attempts) != 1 {
		t.Fatalf("got %+v %v", attempts, err)
	}
	a := attempts[0]
	if a.Outcome != history.Failed || a.Class != attempt.ClassStatus || a.Status != http.StatusTeapot || a.Next == nil ||
		len(a.Response) != 16<<10 || !a.Truncated {
		t.Errorf("got %+v", a)
	}
	if a.Request == nil || a.Request.URL != rc.URL+"/hook?key=***" || a.Request.Headers["X-Team"] != "***" ||
		a.Request.Headers["Webhook-Signature"] != "***" || a.Request.Headers["Webhook-Timestamp"] != got.header.Get("Webhook-Timestamp") ||
		a.Request.Headers["Jethook-Attempt"] != "1" || a.Request.Headers["Traceparent"] != got.header.Get("Traceparent") {
		t.Errorf("request %+v", a.Request)
	}
	// The delivery waits, with what its attempt came to.
	d, err := r.ledger.Delivery(t.Context(), a.Delivery)
	if err != nil || d.Status != deliveries.StatusWaiting || d.Class != "status" || d.HTTP != http.StatusTeapot || d.Attempts != 1 {
		t.Errorf("got %+v %v", d, err)
	}
	if items := r.list(t, deliveries.Query{EventID: "evt_1", Class: attempt.ClassStatus, Code: http.StatusTeapot}); len(items) != 1 {
		t.Errorf("got %+v", items)
	}
}

// A delivery is found by its id in each of its states.
func TestDeliveryByID(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t, time.Hour))
	rc := receive(t, func(_ int, r request, w http.ResponseWriter) {
		if r.header.Get("Webhook-Id") == "refused" {
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	ep := r.add(t, rc.URL, nil, "events.a")
	r.publish(t, "taken", "a")
	rc.next(t)
	r.settled(t, topology.StreamEvents)
	r.publish(t, "refused", "a")
	rc.next(t)
	r.settled(t, topology.StreamEvents)
	for id, want := range map[string]deliveries.Status{"taken": deliveries.StatusDelivered, "refused": deliveries.StatusWaiting} {
		d, err := r.ledger.Delivery(t.Context(), ep.ID+".events:"+id)
		if err != nil || d.Status != want || d.EventID != id || d.Attempts != 1 || time.Since(d.At) > patience {
			t.Errorf("%s: got %+v %v", id, d, err)
		}
	}
	if err := r.ledger.Retry(t.Context(), ep.ID+".events:refused"); err != nil {
		t.Fatal(err)
	}
	rc.next(t)
	eventually(t, "it is dead", func() bool {
		d, err := r.ledger.Delivery(t.Context(), ep.ID+".events:refused")
		return err == nil && d.Status == deliveries.StatusDead && d.Class == "status" && d.HTTP == http.StatusBadGateway
	})
	if _, err := r.ledger.Delivery(t.Context(), ep.ID+".events:never"); !errors.Is(err, deliveries.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}
