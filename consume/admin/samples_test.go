package admin_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"time"

	"jethook/consume/admin/endpoints"
	"jethook/consume/attempt"
	"jethook/consume/history"
	"jethook/consume/recovery"
	"jethook/publish/delivery"
	"jethook/publish/event"
	"jethook/publish/processes"
	"jethook/publish/report"
)

// everything is an endpoint with every field.
const everything = `{"name":"n","url":"https://example.com/x","events":["events.>"],"secret":"polar_whs_ovyN6cPrTv56AApvzCaJno08SSmGJmgbWilb33N2JuK","format":"raw",
	"signature":{"scheme":"hmac"},"headers":{"x-a":"1"},"retry_schedule":["1m"],"timeout":"1s","rate_limit":"5/s","concurrency":1,
	"ordered":true,"disabled":true}`

func endpointPath(a *api) string { return "/api/v1/endpoints/" + a.create(everything).ID }

func createSamples(*api) []exchange {
	return []exchange{
		{body: minimal, status: 201},
		{body: `{"name":"","url":"http://10.0.0.1","events":["x"],"timeout":"1y"}`, status: 422},
		{body: minimal, status: 201, header: withKey("key-1")},
		{body: minimal, status: 201, header: withKey("key-1")},
		{body: everything, status: 422, header: withKey("key-1")},
	}
}

// withKey is the header of a request that can be made again.
func withKey(key string) http.Header {
	return http.Header{"Authorization": {"Bearer " + token}, "Content-Type": {"application/json"}, "Idempotency-Key": {key}}
}

// withMatch is the header of a change of what the client saw.
func withMatch(name, tag string) http.Header {
	return http.Header{"Authorization": {"Bearer " + token}, "Content-Type": {"application/json"}, name: {tag}}
}

func endpointsSamples(a *api) []exchange {
	a.create(minimal)
	a.create(everything)
	return []exchange{{status: 200}, {path: "/api/v1/endpoints?limit=1", status: 200}, {path: "/api/v1/endpoints?cursor=x", status: 422}}
}

func getEndpointSamples(a *api) []exchange {
	path := endpointPath(a)
	tag := a.do("GET", path, "").header.Get("ETag")
	return []exchange{{path: path, status: 200}, {path: path, status: 304, header: withMatch("If-None-Match", tag)}}
}

func changeSamples(a *api) []exchange {
	path := endpointPath(a)
	return []exchange{
		{path: path, body: `{"name":"m","timeout":null}`, status: 200},
		{path: path, body: `{"name":null}`, status: 422},
		{path: path, body: `{"name":"m"}`, status: 412, header: withMatch("If-Match", `"0-0"`)},
	}
}

func rotateSamples(a *api) []exchange {
	path := endpointPath(a) + "/rotate"
	return []exchange{
		{path: path, body: `{"overlap":"1h"}`, status: 200},
		{path: path, status: 200},
		{path: path, body: `{"secret":"x"}`, status: 422},
		{path: path, body: `{"secret":"a text of my own","secret_type":"text"}`, status: 200},
		{path: path, status: 422}, // whose kind nobody can tell
		{path: path, status: 412, header: withMatch("If-Match", `"0-0"`)},
	}
}

func publicKeySamples(a *api) []exchange {
	signs := get[endpoints.EndpointWithSecret](a, 201, "POST", "/api/v1/endpoints", `{"name":"n","url":"https://example.com","events":["events.>"],"secret_type":"ed25519"}`)
	return []exchange{
		{path: "/api/v1/endpoints/" + signs.ID + "/public-key", status: 200},
		{path: endpointPath(a) + "/public-key", status: 409},
	}
}

func secretSamples(a *api) []exchange {
	path := endpointPath(a)
	a.do("POST", path+"/rotate", "")
	return []exchange{{path: path + "/secret", status: 200}}
}

func trialSamples(a *api) []exchange {
	id, _ := a.endpointAt(ok, "")
	nobody := a.create(`{"name":"n","url":"http://127.0.0.1:1","events":["events.>"]}`).ID
	return []exchange{
		{path: "/api/v1/endpoints/" + id + "/test", body: `{"type":"a.b","data":[]}`, status: 200},
		{path: "/api/v1/endpoints/" + nobody + "/test", status: 200},
		{path: "/api/v1/endpoints/" + id + "/test", body: `{"type":"a b"}`, status: 422},
	}
}

func previewSamples(a *api) []exchange {
	id := pendingDeliveries(a)
	path := "/api/v1/endpoints/" + id + "/preview"
	return []exchange{
		{path: path, status: 200},
		{path: path + "?delivery=" + aDelivery(id, "waits").ID(), status: 200},
		{path: path + "?event=none", status: 404},
		{path: path + "?data=x", status: 422},
	}
}

func sendSamples(*api) []exchange {
	const body = `{"type":"a","data":{},"id":"1"}`
	return []exchange{
		{body: body, status: 202},
		{body: body, status: 202},
		{body: `{"type":"*","data":{}}`, status: 422},
		{body: `{"type":"a","data":1}`, status: 202, header: withKey("key-1")},
		{body: `{"type":"a","data":2}`, status: 422, header: withKey("key-1")},
	}
}

// pendingDeliveries stores a delivery in each state, and returns their endpoint's id.
func pendingDeliveries(a *api) string {
	e := a.create(minimal)
	a.schedule(aDelivery(e.ID, "waits"))
	a.bury(aDelivery(e.ID, "dead"))
	a.deliver(aDelivery(e.ID, "delivered"))
	return e.ID
}

// fail records an attempt with all that a line of the history can have, and the opening of the endpoint's circuit.
func (a *api) fail(d *delivery.Delivery) {
	a.t.Helper()
	next := time.Now().Add(time.Hour)
	failed := history.Attempt{
		Time: time.Now(), Delivery: d.ID(), Endpoint: d.Endpoint, EventID: d.Event.ID, Type: d.Event.Type, Subject: d.Event.Subject,
		Attempt: 1, Outcome: history.Failed, Class: attempt.ClassStatus, Status: 500, Error: "answered 500", DurationMS: 1.5,
		Response: "sorry", Truncated: true, Next: &next,
	}
	opened := history.Attempt{
		Time: time.Now(), Endpoint: d.Endpoint, Outcome: history.CircuitOpened, Class: attempt.ClassNone, Error: "10 failures in a row",
	}
	for _, l := range []struct {
		history.Attempt
		Sent *attempt.Sent `json:"sent,omitempty"`
	}{{failed, &attempt.Sent{URL: "https://example.com/x", Own: []string{"X-A"}}}, {opened, nil}} {
		line, err := json.Marshal(l)
		if err != nil {
			a.t.Fatal(err)
		}
		a.stored(func(done func(error)) {
			a.bus.Deliveries().Record(delivery.HistoryKey{Endpoint: l.Endpoint, Outcome: string(l.Outcome), Class: string(l.Class), Status: l.Status}, line, done)
		})
	}
}

func deliveriesSamples(a *api) []exchange {
	id := pendingDeliveries(a)
	return []exchange{
		{status: 200},
		{path: "/api/v1/deliveries?limit=1&endpoint=" + id, status: 200},
		{path: "/api/v1/deliveries?since=x", status: 422},
	}
}

func deliverySamples(a *api) []exchange {
	id := pendingDeliveries(a)
	a.fail(aDelivery(id, "waits"))
	const path = "/api/v1/deliveries/"
	return []exchange{
		{path: path + aDelivery(id, "waits").ID(), status: 200},
		{path: path + aDelivery(id, "dead").ID(), status: 200},
		{path: path + aDelivery(id, "delivered").ID(), status: 200},
		{path: path + aDelivery(id, "never").ID(), status: 404},
	}
}

func retrySamples(a *api) []exchange {
	e := a.create(minimal)
	waits, parked := aDelivery(e.ID, "waits"), aDelivery(a.create(everything).ID, "waits")
	a.schedule(waits)
	a.schedule(parked)
	return []exchange{
		{path: "/api/v1/deliveries/" + waits.ID() + "/retry", status: 202},
		{path: "/api/v1/deliveries/" + parked.ID() + "/retry", status: 409}, // its endpoint is disabled
	}
}

func attemptSamples(a *api) []exchange {
	id := pendingDeliveries(a)
	a.fail(aDelivery(id, "waits"))
	return []exchange{
		{status: 200},
		{path: "/api/v1/attempts?limit=1&outcome=failed&class=status&code=500", status: 200},
		{path: "/api/v1/attempts?delivery=x", status: 422},
	}
}

func deadSamples(a *api) []exchange {
	pendingDeliveries(a)
	return []exchange{{status: 200}, {path: "/api/v1/dead?endpoint=*", status: 422}}
}

func replaySamples(a *api) []exchange {
	pendingDeliveries(a)
	return []exchange{{body: `{}`, status: 202}, {body: `{"ids":["*"]}`, status: 422}}
}

func removeDeadSamples(a *api) []exchange {
	id := pendingDeliveries(a)
	return []exchange{
		{body: `{"endpoint":"` + id + `"}`, status: 200},
		{body: `{"all":true}`, status: 200},
		{body: `{}`, status: 422},
	}
}

func removeDeadLetterSamples(a *api) []exchange {
	path := "/api/v1/dead/" + aDelivery(pendingDeliveries(a), "dead").ID()
	return []exchange{{path: path, status: 204}, {path: path, status: 404}}
}

// storedEvent stores an event that is delivered to one endpoint, waits for another and is dead for a third one.
func storedEvent(a *api) *event.Event {
	d := aDelivery(a.create(minimal).ID, "evt_1")
	d.Event.Header = map[string][]string{"X-Custom": {"1", "2"}}
	a.put(&d.Event)
	a.deliver(d)
	waits, dead := aDelivery(a.create(minimal).ID, "evt_1"), aDelivery(a.create(minimal).ID, "evt_1")
	a.schedule(waits)
	a.fail(waits)
	a.bury(dead)
	a.put(&event.Event{ID: "evt_1", Type: "sale", Source: "shop", Subject: "webhooks.shop.sale", Body: []byte{0xff}})
	return &d.Event
}

func eventsSamples(a *api) []exchange {
	storedEvent(a)
	return []exchange{{status: 200}, {path: "/api/v1/events?limit=1&subject=events.>", status: 200}, {path: "/api/v1/events?subject=x", status: 422}}
}

// eventSamples are those of an operation on one event.
func eventSamples(operation string) func(a *api) []exchange {
	return func(a *api) []exchange {
		path := "/api/v1/events/" + storedEvent(a).ID + operation
		return []exchange{
			{path: path, status: 200},
			{path: path + "?subject=events.>", status: 200},
			{path: "/api/v1/events/WEBHOOKS-1" + operation, status: 200},
			{path: path + "?until=1h", status: 404},
			{path: path + "?since=x", status: 422},
		}
	}
}

func matchSamples(a *api) []exchange {
	a.create(minimal)
	a.create(everything)
	const path = "/api/v1/match?subject="
	return []exchange{{path: path + "events.order.created", status: 200}, {path: path + "events.none", status: 200}, {path: path + url.QueryEscape("events.>"), status: 422}}
}

func recoverSamples(a *api) []exchange {
	path := "/api/v1/endpoints/" + pendingDeliveries(a) + "/recover"
	return []exchange{
		{path: path, body: `{"dry_run":true}`, status: 200},
		{path: path, body: `{"since":"24h","missing":true}`, status: 202},
		{path: path, body: `{}`, status: 409}, // one is running
		{path: path, body: `{"since":"1h","until":"2h"}`, status: 422},
		{path: endpointPath(a) + "/recover", body: `{}`, status: 409}, // it is disabled
	}
}

func startRecovery(a *api) recovery.Recovery {
	return get[recovery.Recovery](a, http.StatusAccepted, "POST", "/api/v1/endpoints/"+pendingDeliveries(a)+"/recover", `{"since":"24h"}`)
}

func recoverySamples(a *api) []exchange {
	path := "/api/v1/recoveries/" + startRecovery(a).ID
	return []exchange{{path: path, status: 200}, {path: path, status: 200}}
}

func recoveriesSamples(a *api) []exchange {
	get[recovery.Recovery](a, http.StatusOK, "DELETE", "/api/v1/recoveries/"+startRecovery(a).ID, "")
	startRecovery(a)
	return []exchange{{status: 200}}
}

// works lets a process answer that delivers to the endpoint, and receives from the source "shop".
func (a *api) works(id string) {
	a.t.Helper()
	now := time.Now()
	var hour report.Window
	hour.Add(now, true, 20*time.Millisecond)
	hour.Add(now, false, time.Second)
	own := report.Process{
		Peer: processes.Self("serve"), Version: "v1.2.3", Started: now, Known: 1, Stalled: map[string]float64{"WEBHOOKS": 42},
		Endpoints: []report.Endpoint{{
			ID: id, LastFailed: now, Streak: 3, Status: 503, Class: "status", Hour: hour.Hour(now), Running: 1, InFlight: 2,
		}},
		Sources: []report.Source{{Name: "shop", Accepted: 3, Duplicates: 1, Refused: map[string]uint64{"bad_signature": 1}, LastSeen: now}},
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- a.bus.Processes().Answer(ctx, func() report.Process { return own }) }()
	a.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			a.t.Error(err)
		}
	})
	for { // until it is subscribed
		all, _, err := a.bus.Processes().Ask(a.t.Context())
		if err != nil {
			a.t.Fatal(err)
		}
		if slices.ContainsFunc(all, func(p report.Process) bool { return p.ID == own.ID }) {
			return
		}
	}
}

func statusSamples(a *api) []exchange {
	id := pendingDeliveries(a)
	storedEvent(a)
	a.create(everything)
	a.works(id)
	return []exchange{{status: 200}, {path: "/api/v1/status?endpoint=" + id, status: 200}, {path: "/api/v1/status?endpoint=*", status: 422}}
}

func sourcesSamples(a *api) []exchange {
	storedEvent(a)
	a.works("ep_1")
	return []exchange{{status: 200}}
}

func resendSamples(a *api) []exchange {
	a.put(&event.Event{ID: "e1", Type: "order.created", Subject: "events.order.created"})
	path := "/api/v1/events/e1/resend"
	body := `{"endpoints":["` + a.create(minimal).ID + `"]}`
	return []exchange{{path: path, body: body, status: 202}, {path: path, status: 202}, {path: path, body: `{"endpoints":["none"]}`, status: 422}}
}
