package dashboard_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"jethook/config"
	"jethook/consume/history"
	"jethook/publish/delivery"
)

// BenchmarkPages measures how long the server takes for each page, with 1,000,000 attempts, 1,000 endpoints and 100 sources, on an
// engine with nothing else to do:
// go test ./consume/dashboard -run '^$' -bench Pages -benchtime 20x -timeout 10m
func BenchmarkPages(b *testing.B) {
	const attempts, endpoints, sources = 1_000_000, 1_000, 100
	r := start(b, func(c *config.Config) {
		for i := range sources {
			c.Sources = append(c.Sources, config.Source{Name: fmt.Sprint("source", i), Provider: "token", Secrets: []config.Secret{config.NewSecret("a-secret-of-a-source")}})
		}
	})
	ids := make([]string, endpoints)
	var made sync.WaitGroup
	for part := range 8 {
		made.Go(func() {
			for i := part; i < endpoints; i += 8 {
				ids[i] = r.endpoint(fmt.Sprint("endpoint ", i), "/hook", fmt.Sprintf("events.e%d.>", i))
			}
		})
	}
	made.Wait()
	r.fill(b, ids, attempts)
	browser := r.signedIn(adminToken)
	measure := func(path string) {
		b.Run(path, func(b *testing.B) {
			for b.Loop() {
				browser.page(path)
			}
		})
	}
	for _, path := range []string{
		"/", "/sources", "/sources/source7", "/deliveries", "/deliveries?endpoint=" + ids[7], "/deliveries?type=order.*&code=503", "/deliveries?class=timeout&since=1h",
		"/deliveries?status=waiting", "/endpoints", "/endpoints?sort=success", "/endpoints/new", "/endpoints/" + ids[7], "/events", "/dead", "/audit", "/send",
	} {
		measure(path)
	}
	r.publish("e7.created", "evt_last", []byte(`{}`))
	page := browser.until("/deliveries?status=delivered", func(page string) bool { return strings.Contains(page, "e7.created") })
	delivered := rowsOf(page)[0]
	measure("/deliveries/" + delivered)
	measure("/events/evt_last")
}

// fill records attempts of endpoints, one in ten failed.
func (r *rig) fill(b testing.TB, ids []string, n int) {
	b.Helper()
	var done sync.WaitGroup
	room := make(chan struct{}, 4096)
	for i := range n {
		a := history.Attempt{
			Time: time.Now().UTC(), Endpoint: ids[i%len(ids)], EventID: fmt.Sprint("evt_", i), Type: "order.created", Subject: "events.order.created",
			Attempt: 1, Outcome: history.Delivered, Status: 200, Class: "ok", DurationMS: 12.5, Response: "ok",
		}
		a.Delivery = fmt.Sprintf("%s.events:evt_%d.%d", a.Endpoint, i, i+1)
		if i%10 == 0 {
			a.Outcome, a.Status, a.Class, a.Error = history.Failed, 503, "status", "answered 503 Service Unavailable"
		}
		line, err := json.Marshal(a)
		if err != nil {
			b.Fatal(err)
		}
		room <- struct{}{}
		done.Add(1)
		r.bus.Deliveries().Record(delivery.HistoryKey{Endpoint: a.Endpoint, Outcome: string(a.Outcome), Class: string(a.Class), Status: a.Status}, line, func(err error) {
			if err != nil {
				b.Error(err)
			}
			<-room
			done.Done()
		})
	}
	done.Wait()
}
