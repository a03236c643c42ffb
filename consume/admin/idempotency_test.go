package admin_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"jethook/consume/admin/endpoints"
	"jethook/consume/admin/events"
	"jethook/consume/endpoint"
	"jethook/publish/topology"
)

// keyed makes a request with an Idempotency-Key.
func (a *api) keyed(key, method, path, body string) answer {
	a.t.Helper()
	return a.with("Idempotency-Key", key, method, path, body)
}

// atOnce makes the same request several times at once and returns the answers.
func (a *api) atOnce(key, method, path, body string) []answer {
	a.t.Helper()
	answers := make([]answer, 8)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() { answers[i] = a.keyed(key, method, path, body) })
	}
	wg.Wait()
	return answers
}

// alike fails the test unless all answers have the status and one body, which it returns.
func alike(t *testing.T, answers []answer, status int) string {
	t.Helper()
	for _, got := range answers {
		if got.status != status || got.body != answers[0].body {
			t.Errorf("got %d %s, and %d %s", answers[0].status, answers[0].body, got.status, got.body)
		}
	}
	return answers[0].body
}

func TestEndpointsAreMadeOnce(t *testing.T) {
	t.Parallel()
	a := start(t)
	for _, body := range []string{minimal, strings.Replace(minimal, "{", `{"ordered":true,"secret":"one of my own",`, 1)} {
		key := fmt.Sprint("key ", len(body))
		first := alike(t, a.atOnce(key, "POST", "/api/v1/endpoints", body), http.StatusCreated)
		var e endpoints.EndpointWithSecret
		if err := json.Unmarshal([]byte(first), &e); err != nil || e.Secret == "" {
			t.Fatalf("%v: %s", err, first)
		}
		// The order of fields and the spaces are not the request's content.
		again := strings.TrimSuffix(body, "}") + " \n}"
		if got := a.keyed(key, "POST", "/api/v1/endpoints", again); got.status != http.StatusCreated || got.body != first {
			t.Errorf("again: %d %s", got.status, got.body)
		}
		other := a.keyed(key, "POST", "/api/v1/endpoints", strings.Replace(body, "billing", "other", 1))
		if other.status != http.StatusUnprocessableEntity || !slices.Equal(other.fields(), []string{"Idempotency-Key"}) || strings.Contains(other.body, e.Secret) {
			t.Errorf("other content: %d %s", other.status, other.body)
		}
		get[endpoint.Endpoint](a, http.StatusOK, "PATCH", "/api/v1/endpoints/"+e.ID, `{"name":"renamed"}`)
		if got := a.keyed(key, "POST", "/api/v1/endpoints", body); got.status != http.StatusCreated || !strings.Contains(got.body, "renamed") || !strings.Contains(got.body, e.Secret) {
			t.Errorf("after a change: %d %s", got.status, got.body)
		}
		get[struct{}](a, http.StatusNoContent, "DELETE", "/api/v1/endpoints/"+e.ID, "")
		if got := a.keyed(key, "POST", "/api/v1/endpoints", body); got.status != http.StatusConflict || got.code() != "removed" {
			t.Errorf("after it was removed: %d %s", got.status, got.body)
		}
	}
	if page := get[endpoints.EndpointPage](a, http.StatusOK, "GET", "/api/v1/endpoints", ""); len(page.Items) != 0 {
		t.Errorf("%d endpoints are left", len(page.Items))
	}
	one, two := a.keyed("k1", "POST", "/api/v1/endpoints", minimal), a.keyed("k2", "POST", "/api/v1/endpoints", minimal)
	if one.header.Get("Location") == two.header.Get("Location") {
		t.Error("two keys, and one endpoint")
	}
}

func TestSecretsAreRotatedOnce(t *testing.T) {
	t.Parallel()
	a := start(t)
	e := a.create(minimal)
	path := "/api/v1/endpoints/" + e.ID + "/rotate"
	first := alike(t, a.atOnce("k", "POST", path, `{"overlap":"1h"}`), http.StatusOK)
	if secrets, _ := a.revealed(e.ID); len(secrets) != 2 || !strings.Contains(first, secrets[0]) {
		t.Errorf("%d secrets after one rotation", len(secrets))
	}
	if got := a.keyed("k", "POST", path, `{"overlap":"2h"}`); got.status != http.StatusUnprocessableEntity {
		t.Errorf("other content: %d %s", got.status, got.body)
	}
	if got := a.keyed("k2", "POST", path, `{"overlap":"1h"}`); got.status != http.StatusOK || got.body == first {
		t.Errorf("another key: %d %s", got.status, got.body)
	}
	// The one that was asked for first, although there is a newer one.
	var made, again endpoints.EndpointWithSecret
	late := a.keyed("k", "POST", path, `{"overlap":"1h"}`)
	if err := json.Unmarshal([]byte(first), &made); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(late.body), &again); err != nil || again.Secret != made.Secret {
		t.Errorf("late: %d %s", late.status, late.body)
	}
	// A key is that of one endpoint's rotation.
	other := a.create(minimal)
	if got := a.keyed("k", "POST", "/api/v1/endpoints/"+other.ID+"/rotate", `{"overlap":"1h"}`); got.status != http.StatusOK {
		t.Errorf("another endpoint: %d %s", got.status, got.body)
	}
}

func TestEventsAreSentOnce(t *testing.T) {
	t.Parallel()
	a := start(t)
	stored := func() uint64 {
		t.Helper()
		c, err := a.bus.Queues().Open(t.Context(), topology.QueueEvents)
		if err != nil {
			t.Fatal(err)
		}
		info, err := c.Info(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return info.NumPending // nobody takes any
	}
	const body = `{"type":"once","data":{"n":1}}`
	first := alike(t, a.atOnce("k", "POST", "/api/v1/events", body), http.StatusAccepted)
	if n := stored(); n != 1 {
		t.Errorf("%d events are stored", n)
	}
	for _, other := range []string{`{"type":"twice","data":{"n":1}}`, `{"type":"once","data":{"n":2}}`, `{"type":"once","data":{"n":1},"id":"x"}`} {
		got := a.keyed("k", "POST", "/api/v1/events", other)
		if got.status != http.StatusUnprocessableEntity || !slices.Equal(got.fields(), []string{"Idempotency-Key"}) {
			t.Errorf("%s: %d %s", other, got.status, got.body)
		}
	}

	kv, err := a.bus.Buckets().Requests(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	keys, err := kv.Keys(t.Context())
	if err != nil || len(keys) != 1 {
		t.Fatalf("notes %v, %v", keys, err)
	}
	// Killed before its answer was noted: it is published again, as the copy that it is.
	a.notes(func(n map[string]any) { delete(n, "answer") })
	if got := a.keyed("k", "POST", "/api/v1/events", body); got.status != http.StatusAccepted || got.body != first || stored() != 1 {
		t.Errorf("after a kill: %d %s, %d stored", got.status, got.body, stored())
	}
	// When the stream has forgotten the id, the note still knows.
	a.notes(func(n map[string]any) { n["answer"] = events.SentEvent{ID: "long ago"} })
	if got := a.keyed("k", "POST", "/api/v1/events", body); got.status != http.StatusAccepted || !strings.Contains(got.body, "long ago") || stored() != 1 {
		t.Errorf("long after: %d %s, %d stored", got.status, got.body, stored())
	}
	status, err := kv.Status(t.Context())
	if err != nil || status.TTL() != topology.RequestsAge || status.Config().MaxBytes <= 0 {
		t.Errorf("the notes are not bounded: %+v, %v", status, err)
	}
}

// notes changes what is remembered of all requests.
func (a *api) notes(change func(map[string]any)) {
	a.t.Helper()
	kv, err := a.bus.Buckets().Requests(a.t.Context())
	if err != nil {
		a.t.Fatal(err)
	}
	keys, err := kv.Keys(a.t.Context())
	if err != nil {
		a.t.Fatal(err)
	}
	for _, key := range keys {
		entry, err := kv.Get(a.t.Context(), key)
		if err != nil {
			a.t.Fatal(err)
		}
		var fields map[string]any
		if err := json.Unmarshal(entry.Value(), &fields); err != nil {
			a.t.Fatal(err)
		}
		change(fields)
		data, err := json.Marshal(fields)
		if err != nil {
			a.t.Fatal(err)
		}
		if _, err := kv.Put(a.t.Context(), key, data); err != nil {
			a.t.Fatal(err)
		}
	}
}

func TestEventWithIDAndKey(t *testing.T) {
	t.Parallel()
	a := start(t)
	const body = `{"type":"once","data":1,"id":"mine"}`
	get[events.SentEvent](a, http.StatusAccepted, "POST", "/api/v1/events", body)
	for range 2 {
		if got := a.keyed("k", "POST", "/api/v1/events", body); got.status != http.StatusAccepted || got.body != `{"id":"mine","duplicate":true}`+"\n" {
			t.Errorf("got %d %s", got.status, got.body)
		}
	}
}

func TestIdempotencyKeysAreChecked(t *testing.T) {
	t.Parallel()
	a := start(t)
	for key, status := range map[string]int{"x": 202, strings.Repeat("k", 255): 202, `"quoted, with spaces" ~!`: 202, strings.Repeat("k", 256): 422, "ümlaut": 422} {
		got := a.keyed(key, "POST", "/api/v1/events", `{"type":"a","data":1}`)
		if got.status != status || status == 422 && !slices.Equal(got.fields(), []string{"Idempotency-Key"}) {
			t.Errorf("%.20s: %d %s", key, got.status, got.body)
		}
	}
}
