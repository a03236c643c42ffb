package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"jethook/publish/bustest"
)

// What a company stores in a stream of its own is delivered, by the subject that it has there and with its id.
func TestDeliversFromAnExistingStream(t *testing.T) {
	t.Parallel()
	url := natsWith(t, func(*server.Options) {}).ClientURL()
	_, js := bustest.ClientOf(t, url)
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "ORDERS", Subjects: []string{"orders.>"}}); err != nil {
		t.Fatal(err)
	}
	p := newProcess(t, "JETHOOK_NATS_URL="+url, "JETHOOK_EVENTS_STREAM=ORDERS", "JETHOOK_EVENTS_SUBJECTS=orders.*.paid")
	p.start(t, "serve")
	type delivered struct{ id, event, body string }
	came := make(chan delivered, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		came <- delivered{r.Header.Get("webhook-id"), r.Header.Get("Jethook-Type"), string(body)}
	}))
	t.Cleanup(receiver.Close)
	p.api(t, "POST", "/api/v1/endpoints", `{"name":"shop","url":"`+receiver.URL+`","events":["events.orders.*.paid"]}`, nil)
	for subject, id := range map[string]string{"orders.eu.lost": "lost_1", "orders.eu.paid": "paid_1"} {
		if _, err := js.PublishMsg(t.Context(), &nats.Msg{Subject: subject, Header: nats.Header{"Nats-Msg-Id": {id}}, Data: []byte(`{"sum":7}`)}); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case got := <-came:
		if want := (delivered{"paid_1", "orders.eu.paid", `{"sum":7}`}); got != want {
			t.Errorf("delivered %+v, want %+v", got, want)
		}
	case <-time.After(limit):
		t.Fatal("nothing was delivered", p.log)
	}
}
