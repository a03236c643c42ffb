package consume_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"jethook/consume/endpoint"
	"jethook/publish/report"
)

// reported returns what the engine reports of an endpoint.
func (r *rig) reported(id string) (found report.Endpoint) {
	for _, e := range r.engine.Report() {
		if e.ID == id {
			found = e
		}
	}
	return found
}

// What is held and what is under way is reported until it is done, and then what came of it.
func TestEngineReports(t *testing.T) {
	t.Parallel()
	r := start(t, settings(t, time.Hour))
	goOn := make(chan struct{})
	rc := receive(t, func(n int, _ request, w http.ResponseWriter) {
		<-goOn
		if n%5 == 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	two := 2
	ep := r.add(t, rc.URL, func(s *endpoint.Spec) { s.Concurrency = &two }, "events.>")
	const n = 10
	for i := range n {
		r.publish(t, fmt.Sprint("evt_", i), "a")
	}
	waiting := func() int { // those that were deferred lie on the bus
		pile := r.total(t, ep.ID)
		return int(pile)
	}
	eventually(t, "all are held or deferred", func() bool { e := r.reported(ep.ID); return e.Running == 2 && e.InFlight+waiting() >= n })
	close(goOn)
	eventually(t, "all had their request", func() bool {
		e := r.reported(ep.ID)
		return e.Running == 0 && e.InFlight == 0 && e.Hour.Delivered+e.Hour.Failed == n
	})
	e := r.reported(ep.ID)
	if e.Hour.Failed != n/5 || e.Status != http.StatusServiceUnavailable || e.LastOK.IsZero() || e.LastFailed.IsZero() || e.Hour.Latency.Quantile(0.5) == 0 {
		t.Errorf("got %+v", e)
	}
}
