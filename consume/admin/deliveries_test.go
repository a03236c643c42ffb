package admin_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	admindeliveries "jethook/consume/admin/deliveries"
	"jethook/consume/attempt"
	"jethook/consume/deliveries"
	"jethook/consume/history"
	"jethook/publish/delivery"
	"jethook/publish/event"
	"jethook/publish/query"
)

// aDelivery is one of an event of type order.created, that failed once and waits an hour.
func aDelivery(endpoint, anEvent string) *delivery.Delivery {
	return &delivery.Delivery{
		Endpoint: endpoint, Attempt: 2, Due: time.Now().Add(time.Hour), Why: delivery.WhyRetry, Reason: "status 500",
		Event: event.Event{
			ID: anEvent, Type: "order.created", Subject: "events.order.created", Received: time.Now(),
			ContentType: "application/json", Body: []byte(`{}`),
		},
	}
}

func (a *api) schedule(d *delivery.Delivery) {
	a.stored(func(done func(error)) { a.bus.Deliveries().Schedule(d, done) })
}

func (a *api) bury(d *delivery.Delivery) {
	a.stored(func(done func(error)) { a.bus.Deliveries().DeadLetter(d, done) })
}

// deliver records that d was delivered.
func (a *api) deliver(d *delivery.Delivery) {
	a.t.Helper()
	line, err := json.Marshal(history.Attempt{
		Time: time.Now(), Delivery: d.ID(), Endpoint: d.Endpoint, EventID: d.Event.ID, Type: d.Event.Type,
		Subject: d.Event.Subject, Attempt: d.Attempt, Outcome: history.Delivered, Class: attempt.ClassOK, Status: 204,
	})
	if err != nil {
		a.t.Fatal(err)
	}
	a.stored(func(done func(error)) {
		a.bus.Deliveries().Record(delivery.HistoryKey{Endpoint: d.Endpoint, Outcome: string(history.Delivered), Class: "ok", Status: 204}, line, done)
	})
}

func (a *api) stored(write func(done func(error))) {
	a.t.Helper()
	done := make(chan error, 1)
	write(func(err error) { done <- err })
	if err := <-done; err != nil {
		a.t.Fatal(err)
	}
}

// listed returns all pages of the deliveries that the query chooses.
func (a *api) listed(query string) (all []deliveries.Delivery) {
	a.t.Helper()
	for cursor := ""; ; {
		page := get[admindeliveries.DeliveryPage](a, http.StatusOK, "GET", "/api/v1/deliveries?"+query+"&cursor="+cursor, "")
		all = append(all, page.Items...)
		if cursor = page.NextCursor; cursor == "" {
			return all
		}
	}
}

func TestListDeliveries(t *testing.T) {
	t.Parallel()
	a := start(t)
	if got := a.do("GET", "/api/v1/deliveries", ""); got.body != `{"items":[],"next_cursor":""}`+"\n" {
		t.Errorf("empty list: %s", got.body)
	}
	// 30 deliveries of two endpoints, in every state by turns.
	var want []string
	for i := range 30 {
		d := aDelivery(fmt.Sprint("ep_", i%2), fmt.Sprint("evt_", i))
		[]func(*delivery.Delivery){a.schedule, a.bury, a.deliver}[i%3](d)
		want = append(want, d.ID())
	}
	slices.Reverse(want) // newest first
	for _, limit := range []int{1, 4, 7, 500} {
		var got []string
		for _, d := range a.listed(fmt.Sprint("limit=", limit)) {
			got = append(got, d.ID)
		}
		if !slices.Equal(got, want) {
			t.Errorf("limit %d: got %v, want %v", limit, got, want)
		}
	}
	for query, n := range map[string]int{
		"status=waiting": 10, "status=dead": 10, "status=delivered": 10, "endpoint=ep_0": 15, "endpoint=ep_1&status=dead": 5,
		"type=order.created": 30, "type=order.deleted": 0, "endpoint=ep_9": 0, "since=1h": 30, "until=1h": 0,
		"since=2000-01-02T15:04:05Z": 30, "until=2000-01-02T15:04:05%2B01:00": 0, "since=2000-01-01T00:00:00.5Z&until=0s": 30,
	} {
		if got := a.listed(query + "&limit=4"); len(got) != n {
			t.Errorf("%s: got %d, want %d", query, len(got), n)
		}
	}
	dead := get[admindeliveries.DeliveryPage](a, http.StatusOK, "GET", "/api/v1/dead?endpoint=ep_1&limit=3", "")
	if len(dead.Items) != 3 || dead.NextCursor == "" || dead.Items[0].Status != deliveries.StatusDead || dead.Items[0].Reason != "status 500" {
		t.Errorf("dead letters: %+v", dead)
	}
}

func TestDeliveriesSayWhatIsKnown(t *testing.T) {
	t.Parallel()
	a := start(t)
	d := aDelivery("ep_1", "evt_1")
	a.schedule(d)
	got := a.listed("")[0]
	if got.Attempts != 1 || got.Next == nil || got.Next.Sub(d.Due).Abs() > time.Second || got.Waits != "retry" ||
		got.Reason != "status 500" || got.Subject != "events.order.created" || got.EventID != "evt_1" {
		t.Errorf("got %+v", got)
	}
}

func TestPagesStayStableWhileNewOnesCome(t *testing.T) {
	t.Parallel()
	a := start(t)
	for i := range 6 {
		a.schedule(aDelivery("ep_1", fmt.Sprint("evt_", i)))
	}
	first := get[admindeliveries.DeliveryPage](a, http.StatusOK, "GET", "/api/v1/deliveries?limit=3", "")
	a.schedule(aDelivery("ep_1", "evt_new"))
	second := get[admindeliveries.DeliveryPage](a, http.StatusOK, "GET", "/api/v1/deliveries?limit=3&cursor="+first.NextCursor, "")
	var got []string
	for _, d := range append(first.Items, second.Items...) {
		got = append(got, d.EventID)
	}
	if want := "evt_5 evt_4 evt_3 evt_2 evt_1 evt_0"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

func TestRetryDelivery(t *testing.T) {
	t.Parallel()
	a := start(t)
	waits, dead, hashed := aDelivery("ep_1", "evt_waits"), aDelivery("ep_1", "evt_dead"), aDelivery("ep_1", "id with spaces")
	a.schedule(waits)
	a.bury(dead)
	a.schedule(hashed)
	for _, d := range []*delivery.Delivery{waits, dead, hashed} {
		got := get[admindeliveries.RetriedDelivery](a, http.StatusAccepted, "POST", "/api/v1/deliveries/"+d.ID()+"/retry", "")
		if got.ID != d.ID() {
			t.Errorf("got %+v", got)
		}
	}
	a.awaitDue("ep_1", 3)
	// Nothing consumes here, so all three lie due now, and nothing waits or is dead any more.
	for _, d := range a.listed("") {
		if d.Next == nil || time.Until(*d.Next) > 0 {
			t.Errorf("not due: %+v", d)
		}
	}
	if n, _, err := a.bus.Query().Count(t.Context(), query.Waiting("ep_1")); n != 0 || err != nil {
		t.Errorf("%d wait: %v", n, err)
	}
	for _, d := range []*delivery.Delivery{waits, dead} {
		if got := a.do("POST", "/api/v1/deliveries/"+d.ID()+"/retry", ""); got.status != http.StatusConflict || got.code() != "under_way" {
			t.Errorf("one that lies due: %d %s", got.status, got.body)
		}
	}
	soon := aDelivery("ep_1", "evt_soon")
	soon.Due = time.Now()
	a.schedule(soon)
	if got := a.do("POST", "/api/v1/deliveries/"+soon.ID()+"/retry", ""); got.status != http.StatusConflict || got.code() != "under_way" {
		t.Errorf("one that comes due by itself: %d %s", got.status, got.body)
	}
}

// A retry that could only wait on, since its endpoint is disabled, is refused instead of promised.
func TestRetryOfADisabledEndpoint(t *testing.T) {
	t.Parallel()
	a := start(t)
	e := a.create(`{"name":"x","url":"https://example.com/","events":["events.>"],"disabled":true}`)
	d := aDelivery(e.ID, "evt_1")
	a.schedule(d)
	if got := a.do("POST", "/api/v1/deliveries/"+d.ID()+"/retry", ""); got.status != http.StatusConflict || !strings.Contains(string(got.body), "endpoint_disabled") {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// A dead letter shows its body; of a long one the beginning.
func TestDeadLetterShowsItsBody(t *testing.T) {
	t.Parallel()
	a := start(t)
	short, long := aDelivery("ep_1", "short"), aDelivery("ep_1", "long")
	short.Event.Body, long.Event.Body = []byte(`{"n":1}`), []byte(strings.Repeat("x", 20_000))
	a.bury(short)
	a.bury(long)
	got := a.listed("status=dead")
	if len(got) != 2 || got[1].Body != `{"n":1}` || got[1].Cut || len(got[0].Body) != 16<<10 || !got[0].Cut {
		t.Errorf("got %+v", got)
	}
}

func TestRetryPressedManyTimesAttemptsOnce(t *testing.T) {
	t.Parallel()
	a := start(t)
	d := aDelivery("ep_1", "evt_1")
	a.schedule(d)
	answers := make(chan answer, 8)
	for range cap(answers) {
		go func() { answers <- a.do("POST", "/api/v1/deliveries/"+d.ID()+"/retry", "") }()
	}
	taken := 0
	for range cap(answers) {
		switch got := <-answers; got.status {
		case http.StatusAccepted:
			taken++
		case http.StatusNotFound, http.StatusConflict: // it lies due already
		default:
			t.Errorf("got %d %s", got.status, got.body)
		}
	}
	a.awaitDue("ep_1", 1)
	if taken != 1 {
		t.Errorf("taken %d times, want 1", taken)
	}
}

// awaitDue waits until n deliveries of an endpoint have come due, which a schedule does within a second. It fails if
// more have.
func (a *api) awaitDue(endpoint string, n uint64) {
	a.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		due, _, err := a.bus.Query().Count(a.t.Context(), query.Due(endpoint))
		if err != nil || due > n || time.Now().After(deadline) {
			a.t.Fatalf("%d are due, want %d: %v", due, n, err)
		}
		if due == n {
			return
		}
	}
}

func TestReplayDead(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body string
		replayed   int
	}{
		{"all", `{}`, 4},
		{"by id", `{"ids":["ep_1.events:evt_0","ep_2.events:evt_1","ep_1.events:no_such"]}`, 2},
		{"by endpoint", `{"endpoint":"ep_1"}`, 2},
		{"since", `{"since":"1h"}`, 4},
		{"until", `{"until":"1h"}`, 0},
		{"by reason", `{"reason":"STATUS 5"}`, 4},
		{"by another reason", `{"reason":"timeout"}`, 0},
		{"range", `{"endpoint":"ep_2","since":"2000-01-02T15:04:05Z","until":"0s"}`, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := start(t)
			for i := range 4 {
				a.bury(aDelivery(fmt.Sprint("ep_", 1+i%2), fmt.Sprint("evt_", i)))
			}
			got := get[admindeliveries.Replayed](a, http.StatusAccepted, "POST", "/api/v1/dead/replay", tt.body)
			left := len(a.listed("status=dead"))
			due := len(a.listed("status=waiting"))
			if got.Replayed != tt.replayed || left != 4-tt.replayed || due != tt.replayed {
				t.Errorf("replayed %d, %d left, %d due; want %d replayed", got.Replayed, left, due, tt.replayed)
			}
			if again := get[admindeliveries.Replayed](a, http.StatusAccepted, "POST", "/api/v1/dead/replay", tt.body); again.Replayed != 0 {
				t.Errorf("replayed %d once more", again.Replayed)
			}
		})
	}
}

func TestRemoveDead(t *testing.T) {
	t.Parallel()
	a := start(t)
	for i := range 6 {
		a.bury(aDelivery(fmt.Sprint("ep_", 1+i%2), fmt.Sprint("evt_", i)))
	}
	for _, tt := range []struct {
		body          string
		removed, left int
	}{
		{`{"ids":["ep_1.events:evt_0","ep_1.events:no_such"]}`, 1, 5},
		{`{"until":"1h"}`, 0, 5},
		{`{"endpoint":"ep_2","reason":"status"}`, 3, 2},
		{`{"all":true}`, 2, 0},
	} {
		got := get[admindeliveries.Removed](a, http.StatusOK, "POST", "/api/v1/dead/remove", tt.body)
		if left := len(a.listed("status=dead")); got.Removed != tt.removed || left != tt.left || got.NextCursor != "" {
			t.Errorf("%s: removed %+v, %d left; want %d and %d", tt.body, got, left, tt.removed, tt.left)
		}
	}
	d := aDelivery("ep_1", "evt_9")
	a.bury(d)
	if got := a.do("DELETE", "/api/v1/dead/"+d.ID(), ""); got.status != http.StatusNoContent {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := a.do("DELETE", "/api/v1/dead/"+d.ID(), ""); got.status != http.StatusNotFound || got.code() != "not_found" {
		t.Errorf("removed twice: %d %s", got.status, got.body)
	}
}
