package admin_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"jethook/config"
	"jethook/consume"
	admindeliveries "jethook/consume/admin/deliveries"
	"jethook/consume/admin/events"
	"jethook/consume/deliveries"
	"jethook/publish/event"
	"jethook/publish/query"
	"jethook/publish/topology"
)

// delivering runs an engine, too, whose endpoints get one attempt now and the next in an hour.
func delivering(t *testing.T) *api {
	t.Helper()
	cfg := config.Default()
	a := startRunning(t, func(ctx context.Context, a *api, cfg *config.Config) {
		if err := consume.New(a.bus, a.registry, cfg, "test", slog.New(slog.DiscardHandler)).Run(ctx); err != nil {
			t.Error(err)
		}
	}, local, func(c *config.Config) {
		c.RetrySchedule = []time.Duration{time.Hour}
		cfg = c
	})
	return a.configured(cfg)
}

// fickle takes events, or refuses them while down.
type fickle struct {
	down atomic.Bool
	got  <-chan taken
	id   string
}

func (a *api) fickle(events, more string) *fickle {
	a.t.Helper()
	f := &fickle{}
	f.id, f.got = a.endpointAt(func(w http.ResponseWriter, _ *http.Request) {
		if f.down.Load() {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}, more)
	body := fmt.Sprintf(`{"events":[%q]}`, events)
	if got := a.do("PATCH", "/api/v1/endpoints/"+f.id, body); got.status != http.StatusOK {
		a.t.Fatalf("%d %s", got.status, got.body)
	}
	a.until("the endpoint is known", func() bool {
		e, ok := a.registry.Lookup(f.id)
		return ok && slices.Equal(e.Events, []string{events})
	})
	return f
}

// until polls a state that sends no event of its own.
func (a *api) until(what string, ok func() bool) {
	a.t.Helper()
	for deadline := time.Now().Add(40 * time.Second); !ok(); {
		if time.Now().After(deadline) {
			a.t.Fatalf("never happened: %s", what)
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-a.t.Context().Done():
		}
	}
}

// quiet waits until nothing is due, and no event without its outcome.
func (a *api) quiet() {
	a.t.Helper()
	a.until("nothing is due", func() bool {
		due, _, err1 := a.bus.Query().Count(a.t.Context(), query.Due(""))
		settled, err2 := a.bus.Queues().Settled(a.t.Context(), topology.StreamEvents)
		_, last, err3 := a.bus.Query().Ends(a.t.Context(), query.Events(topology.StreamEvents, []string{"events.>"}), time.Time{})
		return err1 == nil && err2 == nil && err3 == nil && due == 0 && settled >= last
	})
}

// requests waits until nothing is under way, and returns the ids and attempts of what came since the last call.
func (a *api) requests(f *fickle) (all []string) {
	a.t.Helper()
	a.quiet()
	for len(f.got) > 0 {
		r := <-f.got
		all = append(all, r.header.Get("webhook-id")+" "+r.header.Get("Jethook-Attempt"))
	}
	return all
}

func resendPath(id string) string { return "/api/v1/events/" + url.PathEscape(id) + "/resend" }

// resent sends an event again and returns the results by endpoint.
func (a *api) resent(id, query, body string) map[string]string {
	a.t.Helper()
	got := get[events.Resent](a, http.StatusAccepted, "POST", resendPath(id)+query, body)
	results := make(map[string]string)
	for _, d := range got.Deliveries {
		if !strings.HasPrefix(d.ID, d.Endpoint+"."+(&event.Event{ID: got.ID}).Key()+".") {
			a.t.Errorf("delivery %s of %s to %s", d.ID, got.ID, d.Endpoint)
		}
		results[d.Endpoint] = d.Result
	}
	return results
}

func (a *api) left(status string) []deliveries.Delivery {
	a.t.Helper()
	return get[admindeliveries.DeliveryPage](a, http.StatusOK, "GET", "/api/v1/deliveries?status="+status, "").Items
}

func TestResendWhateverTheState(t *testing.T) {
	t.Parallel()
	a := delivering(t)
	f := a.fickle("events.a", "")
	expect := func(state string, want ...string) {
		t.Helper()
		if got := a.requests(f); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", state, got, want)
		}
		if waiting, dead := a.left("waiting"), a.left("dead"); len(waiting) > 0 || len(dead) > 0 {
			t.Errorf("%s: waiting %+v, dead %+v", state, waiting, dead)
		}
	}
	resent := func(id string) {
		t.Helper()
		if got := a.resent(id, "", ""); len(got) != 1 || got[f.id] != events.ResultSent {
			t.Errorf("%s: %v", id, got)
		}
	}
	send := func(id string) {
		t.Helper()
		get[events.SentEvent](a, http.StatusAccepted, "POST", "/api/v1/events", fmt.Sprintf(`{"type":"a","data":1,"id":%q}`, id))
	}

	send("my/id1")
	expect("new", "my/id1 1")
	resent("my/id1")
	expect("delivered", "my/id1 1")
	resent("my/id1")
	expect("the same request within a moment")

	f.down.Store(true)
	send("waits")
	a.until("it waits", func() bool { return len(a.left("waiting")) == 1 })
	f.down.Store(false)
	resent("waits")
	a.until("the waiting one is taken", func() bool { return len(f.got) == 2 })
	expect("waiting", "waits 1", "waits 2")

	f.down.Store(true)
	send("dies")
	a.until("it waits", func() bool { return len(a.left("waiting")) == 1 })
	get[admindeliveries.RetriedDelivery](a, http.StatusAccepted, "POST", "/api/v1/deliveries/"+f.id+".events:dies/retry", "")
	a.until("it is dead", func() bool { return len(a.left("dead")) == 1 })
	a.quiet() // until its last attempt has left the bus it is under way
	f.down.Store(false)
	resent("dies")
	expect("dead", "dies 1", "dies 2", "dies 1")
}

func TestResendAtOnce(t *testing.T) {
	t.Parallel()
	a := delivering(t)
	f := a.fickle("events.a", `,"retry_schedule":[]`)
	f.down.Store(true)
	for _, id := range []string{"dead", "dead_by_key"} {
		get[events.SentEvent](a, http.StatusAccepted, "POST", "/api/v1/events", fmt.Sprintf(`{"type":"a","data":1,"id":%q}`, id))
	}
	a.until("they are dead", func() bool { return len(a.left("dead")) == 2 })
	f.down.Store(false)
	get[events.SentEvent](a, http.StatusAccepted, "POST", "/api/v1/events", `{"type":"a","data":1,"id":"delivered"}`)
	a.requests(f)
	for _, id := range []string{"delivered", "dead"} {
		answers := make([]answer, 8)
		var wg sync.WaitGroup
		for i := range answers {
			wg.Go(func() { answers[i] = a.do("POST", resendPath(id), "{}") })
		}
		wg.Wait()
		if got := a.requests(f); !slices.Equal(got, []string{id + " 1"}) {
			t.Errorf("%s: got %q", id, got)
		}
		for _, one := range answers {
			if one.status != http.StatusAccepted {
				t.Errorf("%s: %d %s", id, one.status, one.body)
			}
		}
	}
	for _, got := range a.atOnce("k", "POST", resendPath("dead_by_key"), "") {
		if got.status != http.StatusAccepted {
			t.Errorf("%d %s", got.status, got.body)
		}
	}
	if got := a.requests(f); !slices.Equal(got, []string{"dead_by_key 1"}) {
		t.Errorf("by key: got %q", got)
	}
}

func TestResendIsRemembered(t *testing.T) {
	t.Parallel()
	a := delivering(t)
	f := a.fickle("events.a", `,"retry_schedule":[]`)
	f.down.Store(true)
	get[events.SentEvent](a, http.StatusAccepted, "POST", "/api/v1/events", `{"type":"a","data":1,"id":"x"}`)
	a.until("it is dead", func() bool { return len(a.left("dead")) == 1 })
	f.down.Store(false)
	a.requests(f)

	first := a.keyed("k", "POST", resendPath("x"), "{}")
	if got := a.requests(f); first.status != http.StatusAccepted || len(got) != 1 {
		t.Fatalf("%d %s, %q", first.status, first.body, got)
	}
	// Killed after it had replayed the dead letter and before its answer was noted.
	a.notes(func(n map[string]any) { delete(n, "answer") })
	if got := a.keyed("k", "POST", resendPath("x"), "{}"); got.body != first.body {
		t.Errorf("after a kill: %d %s", got.status, got.body)
	}
	if got := a.keyed("k", "POST", resendPath("x"), `{"endpoints":["`+f.id+`"]}`); got.status != http.StatusUnprocessableEntity || !slices.Equal(got.fields(), []string{"Idempotency-Key"}) {
		t.Errorf("other content: %d %s", got.status, got.body)
	}
	if got := a.requests(f); len(got) != 0 {
		t.Errorf("the same request again: %q", got)
	}
	a.keyed("k2", "POST", resendPath("x"), "{}")
	a.quiet() // another request finds it under way until then
	a.resent("x", "", "{}")
	if got := a.requests(f); len(got) != 2 {
		t.Errorf("another key, and none: %q", got)
	}
	// a moment later a request without a key is another one, and one with a key the same.
	a.notes(func(n map[string]any) { n["asked"] = time.Now().Add(-time.Minute) })
	a.resent("x", "", "{}")
	if got := a.requests(f); len(got) != 1 {
		t.Errorf("later: %q", got)
	}
	a.keyed("k", "POST", resendPath("x"), "{}")
	if got := a.requests(f); len(got) != 0 {
		t.Errorf("later, with a key: %q", got)
	}
}

func TestResendToChosenEndpoints(t *testing.T) {
	t.Parallel()
	a := delivering(t)
	f, other, off := a.fickle("events.a", ""), a.fickle("events.b", ""), a.fickle("events.a", `,"disabled":true`)
	get[events.SentEvent](a, http.StatusAccepted, "POST", "/api/v1/events", `{"type":"a","data":1,"id":"x"}`)
	a.requests(f)
	if got := a.resent("x", "", ""); len(got) != 2 || got[f.id] != events.ResultSent || got[off.id] != events.ResultDisabled {
		t.Errorf("to all: %v", got)
	}
	a.requests(f)
	// The operator chose it, whatever it subscribed to.
	if got := a.resent("x", "?subject=events.*", `{"endpoints":["`+other.id+`","`+off.id+`"]}`); len(got) != 2 || got[other.id] != events.ResultSent ||
		got[off.id] != events.ResultDisabled {
		t.Errorf("to chosen ones: %v", got)
	}
	if got := a.requests(other); !slices.Equal(got, []string{"x 1"}) {
		t.Errorf("got %q", got)
	}
	if len(f.got) > 0 || len(off.got) > 0 {
		t.Error("others got it too")
	}
	// What did nothing is no reason to do nothing a moment later.
	only := `{"endpoints":["` + off.id + `"]}`
	first, _, err := a.bus.Query().Ends(t.Context(), query.Events(topology.StreamEvents, []string{"events.>"}), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	place := fmt.Sprintf("EVENTS-%d", first)
	a.resent(place, "", only)
	get[struct{}](a, http.StatusOK, "POST", "/api/v1/endpoints/"+off.id+"/enable", "")
	if got := a.resent(place, "", only); got[off.id] != events.ResultSent {
		t.Errorf("enabled: %v", got)
	}
	for request, want := range map[string]string{
		`{"endpoints":["` + f.id + `","ep_none","*"]}`:  "endpoints[1] endpoints[2]",
		`{"endpoints":["` + f.id + `","` + f.id + `"]}`: "endpoints[1]",
		`{"endpoints":[]}`:            "endpoints",
		`{"endpoint":"` + f.id + `"}`: "endpoint",
	} {
		if got := a.do("POST", resendPath("x"), request); got.status != http.StatusUnprocessableEntity || strings.Join(got.fields(), " ") != want {
			t.Errorf("%s: %d %s", request, got.status, got.body)
		}
	}
	if got := a.do("POST", resendPath("x")+"?since=x", ""); strings.Join(got.fields(), " ") != "since" {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := a.do("POST", resendPath("x")+"?until=1h", ""); got.status != http.StatusNotFound {
		t.Errorf("%d %s", got.status, got.body)
	}
}
