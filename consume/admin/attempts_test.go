package admin_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	admindeliveries "jethook/consume/admin/deliveries"
	"jethook/consume/attempt"
	"jethook/consume/deliveries"
	"jethook/publish/delivery"
)

// The document names exactly the classes there are.
func TestClassesAreDocumented(t *testing.T) {
	t.Parallel()
	parameters := at(start(t).openapi(), "paths", "/api/v1/attempts", "get", "parameters")
	var got []attempt.Class
	for _, p := range parameters.([]any) {
		if at(p, "name") == "class" {
			for _, class := range at(p, "schema", "enum").([]any) {
				got = append(got, attempt.Class(class.(string)))
			}
		}
	}
	want := slices.Clone(attempt.Classes)
	slices.Sort(want)
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestListAttempts(t *testing.T) {
	t.Parallel()
	a := start(t)
	for i := range 12 {
		a.deliver(aDelivery(fmt.Sprint("ep_", i%2), fmt.Sprint("evt_", i%6)))
	}
	for query, n := range map[string]int{
		"": 12, "endpoint=ep_1": 6, "delivery=ep_1.events:evt_1": 2, "event=evt_3": 2, "event=evt_9": 0, "outcome=delivered": 12,
		"outcome=dead": 0, "class=ok": 12, "class=timeout": 0, "code=204": 12, "code=200&endpoint=ep_1": 0, "type=order.*": 12,
		"type=order": 0, "since=1h": 12, "until=1h": 0, "since=1h&until=0s&endpoint=ep_0&code=204&class=ok&type=>&event=evt_4": 2,
	} {
		n2 := 0
		for cursor := ""; ; {
			page := get[admindeliveries.AttemptPage](a, http.StatusOK, "GET", "/api/v1/attempts?limit=5&"+query+"&cursor="+cursor, "")
			n2 += len(page.Items)
			if cursor = page.NextCursor; cursor == "" {
				break
			}
		}
		if n2 != n {
			t.Errorf("%s: got %d, want %d", query, n2, n)
		}
	}
}

// A cursor goes on only with the filters that it was made with.
func TestCursorOfOtherFilters(t *testing.T) {
	t.Parallel()
	a := start(t)
	for i := range 6 {
		a.deliver(aDelivery("ep_1", fmt.Sprint("evt_", i)))
	}
	for _, path := range []string{"/api/v1/attempts", "/api/v1/deliveries"} {
		query := "?limit=2&endpoint=ep_1&since=1h&type=order.*"
		page := get[struct {
			NextCursor string `json:"next_cursor"`
		}](a, http.StatusOK, "GET", path+query, "")
		if page.NextCursor == "" {
			t.Fatalf("%s: one page", path)
		}
		if got := a.do("GET", path+query+"&cursor="+page.NextCursor, ""); got.status != http.StatusOK {
			t.Errorf("%s with the same filters: %d %s", path, got.status, got.body)
		}
		if got := a.do("GET", path+strings.Replace(query, "limit=2", "limit=3", 1)+"&cursor="+page.NextCursor, ""); got.status != http.StatusOK {
			t.Errorf("%s with another limit: %d %s", path, got.status, got.body)
		}
		for _, other := range []string{"?endpoint=ep_2&since=1h&type=order.*", "?endpoint=ep_1&since=2h&type=order.*", "?endpoint=ep_1&since=1h", "?"} {
			got := a.do("GET", path+other+"&cursor="+page.NextCursor, "")
			if got.status != http.StatusUnprocessableEntity || !slices.Equal(got.fields(), []string{"cursor"}) {
				t.Errorf("%s%s: %d %s", path, other, got.status, got.body)
			}
		}
	}
}

func TestAttemptsRefuses(t *testing.T) {
	t.Parallel()
	a := start(t)
	for query, field := range map[string]string{
		"delivery=*.*": "delivery", "event=a%20b": "event", "outcome=lost": "outcome", "class=bad": "class", "code=42": "code",
		"type=order.*x": "type", "type=>.a": "type", "cursor=x.1": "cursor", "endpoint=>": "endpoint", "since=x": "since",
		"evnt=x": "evnt", "limit=501": "limit",
	} {
		for _, path := range []string{"/api/v1/attempts", "/api/v1/deliveries"} {
			if got := a.do("GET", path+"?"+query, ""); got.status != http.StatusUnprocessableEntity || got.fields()[0] != field {
				t.Errorf("%s?%s: %d %s", path, query, got.status, got.body)
			}
		}
	}
}

// The deliveries of an event are found in every state, of an internal event and of a webhook with the same id.
func TestDeliveriesOfAnEvent(t *testing.T) {
	t.Parallel()
	a := start(t)
	for i := range 9 {
		[]func(*delivery.Delivery){a.schedule, a.bury, a.deliver}[i%3](aDelivery(fmt.Sprint("ep_", i), "evt_1"))
		[]func(*delivery.Delivery){a.schedule, a.bury, a.deliver}[i%3](aDelivery(fmt.Sprint("ep_", i), fmt.Sprint("evt_1", i)))
	}
	hook := aDelivery("ep_1", "evt_1")
	hook.Event.Source, hook.Event.Subject, hook.Class, hook.Status = "shop", "webhooks.shop.order.created", "status", 500
	if _, err := a.bus.Publish(t.Context(), &hook.Event); err != nil {
		t.Fatal(err)
	}
	a.bury(hook)
	for query, want := range map[string]int{
		"event=evt_1": 10, "event=evt_1&status=dead": 4, "event=evt_1&status=waiting": 3, "event=evt_1&status=delivered": 3,
		"event=evt_1&endpoint=ep_1": 2, "event=evt_13": 1, "event=evt_2": 0, "event=evt_1&class=status": 1, "code=500": 1,
		"event=evt_1&code=204": 3, "class=ok": 6, "event=evt_1&until=1h": 0, "event=evt_1&since=1h&type=order.>": 10,
	} {
		if got := a.listed(query + "&limit=2"); len(got) != want || !slices.IsSortedFunc(got, func(x, y deliveries.Delivery) int { return y.At.Compare(x.At) }) {
			t.Errorf("%s: got %d, want %d: %+v", query, len(got), want, got)
		}
	}
}

func TestReadADelivery(t *testing.T) {
	t.Parallel()
	a := start(t)
	waits, dead, taken := aDelivery("ep_1", "waits"), aDelivery("ep_1", "dead"), aDelivery("ep_1", "taken")
	a.schedule(waits)
	a.bury(dead)
	for range 60 {
		a.deliver(taken)
	}
	for status, d := range map[deliveries.Status]*delivery.Delivery{
		deliveries.StatusWaiting: waits, deliveries.StatusDead: dead, deliveries.StatusDelivered: taken,
	} {
		got := get[admindeliveries.DeliveryReport](a, http.StatusOK, "GET", "/api/v1/deliveries/"+url.PathEscape(d.ID()), "")
		if got.ID != d.ID() || got.Status != status {
			t.Errorf("got %+v", got)
		}
		if status != deliveries.StatusDelivered {
			continue
		}
		if len(got.History) != 50 || got.History[0].Delivery != d.ID() || got.NextCursor == "" {
			t.Errorf("%d attempts, goes on at %q", len(got.History), got.NextCursor)
		}
		rest := get[admindeliveries.AttemptPage](a, http.StatusOK, "GET", "/api/v1/attempts?delivery="+d.ID()+"&cursor="+got.NextCursor, "")
		if len(rest.Items) != 10 || rest.NextCursor != "" {
			t.Errorf("%d more attempts", len(rest.Items))
		}
	}
	for _, id := range []string{"ep_1.events:never", "*.*", "x"} {
		if got := a.do("GET", "/api/v1/deliveries/"+url.PathEscape(id), ""); got.status != http.StatusNotFound || got.code() != "not_found" {
			t.Errorf("%s: %d %s", id, got.status, got.body)
		}
	}
}
