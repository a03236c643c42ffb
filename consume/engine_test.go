package consume_test

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"jethook/consume/attempt"
	"jethook/consume/deliveries"
	"jethook/consume/endpoint"
	"jethook/consume/history"
	"jethook/publish/delivery"
	"jethook/publish/topology"
)

// An endpoint that fails n times gets exactly its attempts, never early; the official library accepts each,
// with one id and a fresh timestamp.
func TestFailsThenRecovers(t *testing.T) {
	t.Parallel()
	pauses := []time.Duration{1100 * time.Millisecond, 600 * time.Millisecond, 300 * time.Millisecond}
	r := start(t, settings(t, pauses...))
	rc := receive(t, func(n int, _ request, w http.ResponseWriter) {
		if n <= len(pauses) {
			w.WriteHeader(http.StatusInternalServerError)
			fmt.Fprint(w, "not yet")
		}
	})
	ep := r.add(t, rc.URL, nil, "events.order.*")
	verifier, err := standardwebhooks.NewWebhook(ep.Secrets[0].Value.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	published := time.Now()
	r.publish(t, "evt_1", "order.created")

	var before request
	for n := range len(pauses) + 1 {
		got := rc.next(t)
		if err := verifier.Verify(got.body, got.header); err != nil {
			t.Errorf("attempt %d: %v", n+1, err)
		}
		if got.header.Get("webhook-id") != "evt_1" || got.header.Get("Jethook-Attempt") != strconv.Itoa(n+1) ||
			got.header.Get("Jethook-Type") != "order.created" || string(got.body) != `{"id":"evt_1"}` {
			t.Errorf("attempt %d: got %v %s", n+1, got.header, got.body)
		}
		if n > 0 {
			if pause := got.at.Sub(before.at); pause < pauses[n-1] {
				t.Errorf("attempt %d came %s after the one before, too early", n+1, pause)
			}
			if tp := got.header.Get("traceparent"); tp == "" || tp != before.header.Get("traceparent") {
				t.Errorf("attempt %d: traceparent %q, before %q", n+1, tp, before.header.Get("traceparent"))
			}
		}
		// It is of this attempt: neither before it could be made, nor after it came.
		earliest := published
		if n > 0 {
			earliest = before.at.Add(pauses[n-1])
		}
		if stamp, err := strconv.ParseInt(got.header.Get("webhook-timestamp"), 10, 64); err != nil || stamp < earliest.Unix() || stamp > got.at.Unix() {
			t.Errorf("attempt %d came at %s with timestamp %d, %v", n+1, got.at, stamp, err)
		}
		before = got
	}
	eventually(t, "it is delivered", func() bool {
		items := r.list(t, deliveries.Query{})
		return len(items) == 1 && items[0].Status == deliveries.StatusDelivered && items[0].Attempts == 4
	})
	r.settled(t, topology.StreamDeliveries)
	lines := r.history(t, ep.ID)
	if len(lines) != 4 || lines[0].Outcome != history.Failed || lines[0].Class != attempt.ClassStatus || lines[0].Status != 500 ||
		lines[0].Response != "not yet" || lines[0].Next == nil || lines[3].Outcome != history.Delivered {
		t.Errorf("history: %+v", lines)
	}
	if n := len(rc.got); n != 0 {
		t.Errorf("%d more requests than attempts", n)
	}
}

func TestDeadLetterAndReplay(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t, 300*time.Millisecond))
	rc := receive(t, func(n int, _ request, w http.ResponseWriter) {
		if n <= 2 {
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	ops := receive(t, always(http.StatusOK))
	r.add(t, ops.URL, nil, "jethook.ops.>")
	ep := r.add(t, rc.URL, nil, "events.>")
	r.publish(t, "evt_1", "a")
	rc.next(t)
	rc.next(t)
	var dead []deliveries.Delivery
	eventually(t, "it is dead", func() bool {
		dead = r.list(t, deliveries.Query{Status: deliveries.StatusDead})
		return len(dead) == 1
	})
	if d := dead[0]; d.Endpoint != ep.ID || d.EventID != "evt_1" || d.Attempts != 2 || d.Reason == "" {
		t.Errorf("got %+v", d)
	}
	if told := ops.next(t); told.header.Get("Jethook-Type") != "jethook.ops.delivery.dead" {
		t.Errorf("told %v %s", told.header, told.body)
	}
	eventually(t, "it does not wait, too", func() bool { // it is dead before it leaves the schedule
		return len(r.list(t, deliveries.Query{Status: deliveries.StatusWaiting})) == 0
	})
	n, _, err := r.ledger.ReplaySome(t.Context(), deliveries.DeadQuery{Endpoint: ep.ID})
	if err != nil || n != 1 {
		t.Fatalf("replayed %d, %v", n, err)
	}
	if got := rc.next(t); got.header.Get("Jethook-Attempt") != "1" || got.header.Get("webhook-id") != "evt_1" || string(got.body) != `{"id":"evt_1"}` {
		t.Errorf("replayed %v %s", got.header, got.body)
	}
	eventually(t, "it is delivered", func() bool {
		return len(r.list(t, deliveries.Query{Status: deliveries.StatusDead})) == 0 && len(r.list(t, deliveries.Query{Status: deliveries.StatusDelivered, Endpoint: ep.ID})) == 1
	})
}

// An operational event that dies must not cause another one, for ever.
func TestDeathOfAnOperationalEventIsNotAnnounced(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t))
	rc := receive(t, always(http.StatusInternalServerError))
	r.add(t, rc.URL, nil, "events.>", "jethook.ops.>")
	r.publish(t, "evt_1", "a")
	eventually(t, "the event and its announcement are dead", func() bool {
		return len(r.list(t, deliveries.Query{Status: deliveries.StatusDead})) == 2
	})
	r.settled(t, topology.StreamOps)
	if n := len(rc.got); n != 2 {
		t.Errorf("%d requests, want 2", n)
	}
}

func TestOnlyMatchingEndpointsGetAnEvent(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t))
	rc := receive(t, always(http.StatusNoContent))
	yes := true
	r.add(t, rc.URL+"/exact", nil, "events.order.created")
	r.add(t, rc.URL+"/both", nil, "events.order.*", "events.>")
	r.add(t, rc.URL+"/other", nil, "events.invoice.*")
	r.add(t, rc.URL+"/webhooks", nil, "webhooks.>")
	r.add(t, rc.URL+"/disabled", func(s *endpoint.Spec) { s.Disabled = &yes }, "events.>")
	r.publish(t, "evt_1", "order.created")
	r.settled(t, topology.StreamEvents)
	got := map[string]int{}
	for len(rc.got) > 0 {
		got[(<-rc.got).path]++
	}
	if len(got) != 2 || got["/exact"] != 1 || got["/both"] != 1 {
		t.Errorf("got %v", got)
	}
}

// A service that publishes with any NATS client and sets no header is delivered too.
func TestForeignEventIsDelivered(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t))
	rc := receive(t, always(http.StatusOK))
	r.add(t, rc.URL, nil, "events.>")
	ack, err := r.js.Publish(t.Context(), "events.plain", []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	got := rc.next(t)
	if want := fmt.Sprintf("EVENTS-%d", ack.Sequence); got.header.Get("webhook-id") != want || got.header.Get("Jethook-Type") != "plain" {
		t.Errorf("got %v", got.header)
	}
	if _, err := r.js.Publish(t.Context(), "events.plain", []byte("x"), jetstream.WithMsgID("mine")); err != nil {
		t.Fatal(err)
	}
	if got := rc.next(t); got.header.Get("webhook-id") != "mine" {
		t.Errorf("got %v", got.header)
	}
}

// An endpoint that says when to come again gets its next attempt then; Discord says it in the body.
func TestRetryAfterDelays(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		format, header, body string
		least                time.Duration
	}{
		"header":  {"raw", "2", "", 2 * time.Second},
		"discord": {"discord", "", `{"message":"You are being rate limited.","retry_after":1.9,"global":false}`, 1900 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, settings(t, 300*time.Millisecond, 3*time.Second))
			rc := receive(t, func(n int, _ request, w http.ResponseWriter) {
				if n == 1 {
					w.Header().Set("Retry-After", test.header)
					w.WriteHeader(http.StatusTooManyRequests)
					fmt.Fprint(w, test.body)
				}
			})
			r.add(t, rc.URL, func(s *endpoint.Spec) { s.Format = &test.format }, "events.>")
			r.publish(t, "evt_1", "a")
			first, second := rc.next(t), rc.next(t)
			if pause := second.at.Sub(first.at); pause < test.least {
				t.Errorf("came again after %s, asked for %s", pause, test.least)
			}
			if second.header.Get("Jethook-Attempt") != "1" { // what was put off used none up
				t.Errorf("got %v", second.header)
			}
		})
	}
}

func TestGoneDisablesAndEnablingGoesOn(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t, 300*time.Millisecond, time.Hour))
	rc := receive(t, func(n int, _ request, w http.ResponseWriter) {
		if n == 1 {
			w.WriteHeader(http.StatusGone)
		}
	})
	ep := r.add(t, rc.URL, nil, "events.>")
	r.publish(t, "evt_1", "a")
	rc.next(t)
	eventually(t, "the endpoint is disabled", func() bool {
		e, _ := r.registry.Lookup(ep.ID)
		return e.Disabled && e.DisabledReason != ""
	})
	eventually(t, "its delivery waits for it", func() bool {
		w := r.list(t, deliveries.Query{Status: deliveries.StatusWaiting})
		return len(w) == 1 && w[0].Waits == string(delivery.WhyDisabled) && w[0].Attempts == 1
	})
	r.publish(t, "evt_2", "a") // waits in its stream
	r.settled(t, topology.StreamEvents)
	if _, err := r.registry.Update(t.Context(), ep.ID, func(e *endpoint.Endpoint) error {
		e.Disabled, e.DisabledReason = false, ""
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	attempts := map[string]string{}
	for range 2 {
		h := rc.next(t).header
		attempts[h.Get("webhook-id")] = h.Get("Jethook-Attempt")
	}
	if attempts["evt_1"] != "2" || attempts["evt_2"] != "1" {
		t.Errorf("got %v", attempts)
	}
	r.settled(t, topology.StreamDeliveries)
	if n := len(rc.got); n != 0 {
		t.Errorf("%d requests more", n)
	}
}

func TestRetryNow(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t, time.Hour))
	rc := receive(t, func(n int, _ request, w http.ResponseWriter) {
		if n == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	r.add(t, rc.URL, nil, "events.>")
	r.publish(t, "evt_1", "a")
	rc.next(t)
	var id string
	eventually(t, "it waits", func() bool {
		w := r.list(t, deliveries.Query{Status: deliveries.StatusWaiting})
		if len(w) == 1 {
			id = w[0].ID
		}
		return len(w) == 1
	})
	if err := r.ledger.Retry(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if got := rc.next(t); got.header.Get("Jethook-Attempt") != "2" {
		t.Errorf("got %v", got.header)
	}
	eventually(t, "it is delivered", func() bool { return len(r.list(t, deliveries.Query{Status: deliveries.StatusDelivered})) == 1 })
	if err := r.ledger.Retry(t.Context(), id); err == nil {
		t.Error("a delivered one was retried")
	}
}

// A restart while a delivery waits changes neither its time nor its number.
func TestRestartWhileWaiting(t *testing.T) {
	t.Parallel()
	cfg := settings(t, 3*time.Second)
	r := start(t, cfg)
	rc := receive(t, func(n int, _ request, w http.ResponseWriter) {
		if n == 1 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	r.add(t, rc.URL, nil, "events.>")
	r.publish(t, "evt_1", "a")
	first := rc.next(t)
	eventually(t, "it waits", func() bool { return len(r.list(t, deliveries.Query{Status: deliveries.StatusWaiting})) == 1 })
	due := *r.list(t, deliveries.Query{})[0].Next
	r.stop()

	r = start(t, cfg)
	if w := r.list(t, deliveries.Query{}); len(w) != 1 || !w[0].Next.Equal(due) {
		t.Errorf("after the restart: %+v, was due at %s", w, due)
	}
	second := rc.next(t)
	if second.at.Before(due) || second.at.Sub(first.at) < 3*time.Second || second.header.Get("Jethook-Attempt") != "2" {
		t.Errorf("came at %s, due at %s: %v", second.at, due, second.header)
	}
}
