package consume_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"jethook/config/quantity"
	"jethook/consume/attempt"
	"jethook/consume/deliveries"
	"jethook/consume/history"
	"jethook/publish/delivery"
)

// BenchmarkHistory reports how long a page of 50 attempts takes to be found among many, the half and 99 of a hundred
// pages, and the first one of each kind, which finds nothing in the server's memory:
// go test ./consume -run '^$' -bench History -benchtime 1x -timeout 30m
func BenchmarkHistory(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000, 3_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			cfg := settings(b)
			cfg.HistoryMaxBytes = quantity.Bytes(4 << 30)
			r := start(b, cfg)
			began := time.Now()
			fillHistory(b, r, n)
			ended := time.Now()
			r.stop()
			r = start(b, cfg)
			at := func() time.Time { return began.Add(time.Duration(rand.Float64() * float64(ended.Sub(began)))) }
			some := func() string { return benchEndpoint(rand.IntN(benchEndpoints)) }
			for name, query := range map[string]func() deliveries.AttemptQuery{
				"newest":   func() deliveries.AttemptQuery { return deliveries.AttemptQuery{} },
				"endpoint": func() deliveries.AttemptQuery { return deliveries.AttemptQuery{Endpoint: some()} },
				"endpoint+dead": func() deliveries.AttemptQuery {
					return deliveries.AttemptQuery{Endpoint: some(), Outcome: history.Dead}
				},
				"code=429":      func() deliveries.AttemptQuery { return deliveries.AttemptQuery{Status: 429} },
				"class=timeout": func() deliveries.AttemptQuery { return deliveries.AttemptQuery{Class: attempt.ClassTimeout} },
				"until":         func() deliveries.AttemptQuery { return deliveries.AttemptQuery{Until: at()} },
				"endpoint+until": func() deliveries.AttemptQuery {
					return deliveries.AttemptQuery{Endpoint: some(), Until: at()}
				},
				"since+until": func() deliveries.AttemptQuery {
					t := at()
					return deliveries.AttemptQuery{Outcome: history.Failed, Since: t, Until: t.Add(ended.Sub(began) / 100)}
				},
				"page2": func() deliveries.AttemptQuery {
					q := deliveries.AttemptQuery{Endpoint: some(), Limit: 50}
					_, next, err := r.ledger.Attempts(b.Context(), q)
					if err != nil {
						b.Fatal(err)
					}
					q.Cursor = next
					return q
				},
			} {
				b.Run(name, func(b *testing.B) { timePages(b, r.ledger, query) })
			}
			r.stop()
		})
	}
}

// pages times a hundred pages for each run.
func timePages(b *testing.B, l *deliveries.Store, query func() deliveries.AttemptQuery) {
	const each = 100
	var took []time.Duration
	found := 0
	for range b.N * each {
		q := query()
		q.Limit = 50
		began := time.Now()
		items, _, err := l.Attempts(b.Context(), q)
		if err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(began))
		found += len(items)
	}
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(ms(took[0]), "first_ms")
	slices.Sort(took)
	b.ReportMetric(ms(took[len(took)/2]), "p50_ms")
	b.ReportMetric(ms(took[len(took)*99/100-1]), "p99_ms")
	b.ReportMetric(float64(found)/float64(len(took)), "found/page")
}

const benchEndpoints = 1000

func benchEndpoint(i int) string { return fmt.Sprintf("ep_%020d", i) }

// fillHistory records n attempts of a thousand endpoints: of a hundred, 90 were delivered, 9 failed in some way,
// and of two hundred one is dead. A line has about 700 bytes.
func fillHistory(b *testing.B, r *rig, n int) {
	var stored sync.WaitGroup
	room := make(chan struct{}, 8000) // fewer than the bus lets wait for it
	draw := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		a := history.Attempt{
			Time: time.Now().UTC(), Endpoint: benchEndpoint(draw.IntN(benchEndpoints)), EventID: fmt.Sprint("evt_", i),
			Type: "order.created", Subject: "events.order.created", Attempt: 1, Outcome: history.Delivered,
			Class: attempt.ClassOK, Status: 200, DurationMS: 12.345, Response: strings.Repeat("x", 300),
		}
		a.Delivery = a.Endpoint + ".events:" + a.EventID
		switch k := draw.IntN(1000); {
		case k < 5:
			a.Outcome, a.Class, a.Status = history.Dead, attempt.ClassStatus, 500
		case k < 10:
			a.Outcome, a.Class, a.Status = history.Failed, attempt.ClassStatus, 429
		case k < 40:
			a.Outcome, a.Class, a.Status = history.Failed, attempt.ClassTimeout, 0
		case k < 100:
			a.Outcome, a.Class, a.Status = history.Failed, attempt.ClassStatus, 503
		}
		line, err := json.Marshal(a)
		if err != nil {
			b.Fatal(err)
		}
		room <- struct{}{}
		stored.Add(1)
		t := delivery.HistoryKey{Endpoint: a.Endpoint, Outcome: string(a.Outcome), Class: string(a.Class), Status: a.Status}
		r.bus.Deliveries().Record(t, line, func(err error) {
			if err != nil {
				b.Error(err)
			}
			<-room
			stored.Done()
		})
	}
	stored.Wait()
}
