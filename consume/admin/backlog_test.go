package admin_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	admindeliveries "jethook/consume/admin/deliveries"
	"jethook/consume/admin/events"
	"jethook/consume/deliveries"
	"jethook/consume/status"
	"jethook/publish/event"
	"jethook/publish/topology"
)

// publish stores n events of a type.
func (a *api) publishAll(prefix, eventType string, n int) {
	a.t.Helper()
	for i := range n {
		e := &event.Event{
			ID: fmt.Sprint(prefix, i), Type: eventType, Subject: topology.EventSubject(eventType), Received: time.Now(),
			ContentType: "application/json", Body: []byte(`{}`),
		}
		if _, err := a.bus.Publish(a.t.Context(), e); err != nil {
			a.t.Fatal(err)
		}
	}
}

// What waits in its stream for an endpoint that lags is listed and shown, counted in the status with the reason, and can be
// asked for; an event of it is traced and sent again.
func TestWhatWaitsInItsStream(t *testing.T) {
	t.Parallel()
	a := delivering(t)
	f := a.fickle("events.order.*", "")
	f.down.Store(true)
	lags := func() status.Endpoint {
		for _, e := range get[status.Status](a, http.StatusOK, "GET", "/api/v1/status", "").Endpoints {
			if e.ID == f.id {
				return e
			}
		}
		return status.Endpoint{}
	}
	a.publishAll("first_", "order.created", 100)
	a.until("it lags", func() bool { return lags().Behind > 0 })
	a.publishAll("then_", "order.created", 100)

	list := func(query string) []deliveries.Delivery {
		return get[admindeliveries.DeliveryPage](a, http.StatusOK, "GET", "/api/v1/deliveries?limit=500&status=waiting&endpoint="+f.id+query, "").Items
	}
	then := list("&event=then_50")
	if len(then) != 1 || then[0].Waits != "circuit_open" || then[0].Attempts != 0 || then[0].Next != nil {
		t.Fatalf("got %+v", then)
	}
	a.until("all are counted", func() bool {
		e, all := lags(), list("")
		return len(all) == 200 && e.Waiting+e.Behind == 200 && e.BehindWhy == "circuit_open" && e.BehindSince != nil
	})
	path := "/api/v1/deliveries/" + then[0].ID
	if got := a.do("GET", path, ""); got.status != http.StatusOK {
		t.Errorf("shown: %d %s", got.status, got.body)
	}
	if p := a.preview(f.id, "delivery", then[0].ID); p.Attempt != 1 {
		t.Errorf("the request to be made: %+v", p)
	}
	if got := a.do("POST", path+"/retry", ""); got.status != http.StatusAccepted {
		t.Errorf("retried: %d %s", got.status, got.body)
	}
	if got := list("&event=then_50"); len(got) != 1 || got[0].Waits != "retry" {
		t.Errorf("after it was asked for: %+v", got)
	}
	resent := get[events.Resent](a, http.StatusAccepted, "POST", "/api/v1/events/then_60/resend", "")
	if len(resent.Deliveries) != 1 || resent.Deliveries[0].Result != events.ResultSent {
		t.Errorf("sent again: %+v", resent)
	}
	if got := list("&event=then_60"); len(got) != 1 || got[0].Waits != "retry" {
		t.Errorf("after it was sent again: %+v", got)
	}
	if got := a.do("DELETE", "/api/v1/endpoints/"+f.id, ""); got.status != http.StatusNoContent {
		t.Fatalf("removed: %d %s", got.status, got.body)
	}
	a.until("neither a record nor a consumer is left", func() bool {
		_, err := a.bus.Consumers().Records().Get(t.Context(), f.id+"."+topology.StreamEvents)
		own, err2 := a.bus.Consumers().Ordered(t.Context(), topology.StreamEvents)
		return err != nil && err2 == nil && len(own) == 0
	})
	if got := get[admindeliveries.DeliveryPage](a, http.StatusOK, "GET", "/api/v1/deliveries?status=waiting", ""); len(got.Items) != 0 {
		t.Errorf("%d wait for a removed endpoint", len(got.Items))
	}
}

// What an ordered endpoint has not come to can't be asked for.
func TestRetryOutOfOrder(t *testing.T) {
	t.Parallel()
	a := delivering(t)
	f := a.fickle("events.order.*", `,"ordered":true`)
	f.down.Store(true)
	a.publishAll("evt_", "order.created", 3)
	var last deliveries.Delivery
	a.until("all are listed", func() bool {
		page := get[admindeliveries.DeliveryPage](a, http.StatusOK, "GET", "/api/v1/deliveries?event=evt_2", "")
		if len(page.Items) == 1 {
			last = page.Items[0]
		}
		return last.Waits == "order"
	})
	if got := a.do("POST", "/api/v1/deliveries/"+last.ID+"/retry", ""); got.status != http.StatusConflict || got.code() != "in_order" {
		t.Errorf("got %d %s", got.status, got.body)
	}
}
