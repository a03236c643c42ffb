package status_test

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"jethook/consume/status"
	"jethook/publish/delivery"
	"jethook/publish/report"
)

// gauges returns what is shown now, by metric and the values of its labels.
func (r *rig) gauges(t *testing.T, most int) map[string]float64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(status.NewGauges(status.NewBoard(r.bus, r.registry, nil), report.NewNames(most)))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	shown := make(map[string]float64)
	for _, f := range families {
		for _, m := range f.Metric {
			key := strings.TrimPrefix(f.GetName(), "jethook_")
			for _, l := range m.Label {
				key += " " + l.GetValue()
			}
			shown[key] = m.Gauge.GetValue()
		}
	}
	return shown
}

// Retries that lie hours ahead are not past due, however old their events are; what came due and is not taken is.
func TestGauges(t *testing.T) {
	t.Parallel()
	r := start(t)
	ahead, late := r.add(t, "ahead", nil).ID, r.add(t, "late", nil).ID
	now := time.Now()
	whys := []delivery.Why{delivery.WhyRetry, delivery.WhyRetry, delivery.WhyAsked}
	r.schedule(t, len(whys), func(i int) delivery.Delivery {
		d := aDelivery(ahead, i, now.Add(2*time.Hour))
		d.Event.Received, d.Why = now.Add(-24*time.Hour), whys[i]
		return d
	})
	r.schedule(t, 1, func(int) delivery.Delivery { return aDelivery(late, 9, now.Add(-time.Hour)) })
	r.bury(t, aDelivery(late, 10, time.Time{}))
	var shown map[string]float64
	for deadline := now.Add(20 * time.Second); shown["deliveries_waiting "+late+" due"] != 1; {
		if time.Now().After(deadline) {
			t.Fatalf("it never came due: %v", shown)
		}
		shown = r.gauges(t, 10)
	}
	for key, want := range map[string]float64{
		"deliveries_waiting " + ahead + " retry": 2, "deliveries_waiting " + ahead + " asked": 1, "deliveries_past_due_seconds " + ahead: 0,
		"deliveries_dead " + late: 1, "deliveries_dead " + ahead: 0, "endpoints disabled": 0, "endpoint_circuit_open " + late: 0,
		"stream_messages DEAD": 1,
	} {
		if got, ok := shown[key]; !ok || got != want {
			t.Errorf("%s is %v, want %v", key, got, want)
		}
	}
	if got := shown["deliveries_past_due_seconds "+late]; got < 3600 || got > 3700 {
		t.Errorf("it was due an hour ago, and is %v s past due", got)
	}
	shown = r.gauges(t, 0)
	if got := shown["deliveries_past_due_seconds other"]; got < 3600 || shown["deliveries_waiting other retry"] != 2 {
		t.Errorf("all together: %v", shown)
	}
}

// What can't be had has no metric: a 0 would look like good news.
func TestGaugesWithoutABus(t *testing.T) {
	t.Parallel()
	r := start(t)
	id := r.add(t, "one", nil).ID
	r.bus.Close()
	shown := r.gauges(t, 10)
	if shown["status_incomplete"] == 0 {
		t.Errorf("nothing is said to be missing: %v", shown)
	}
	for key := range shown {
		for _, unknown := range []string{"deliveries_", "stream_", "store_", "consumer_", "events_missed"} {
			if strings.HasPrefix(key, unknown) {
				t.Errorf("%s of %s can't be known", key, id)
			}
		}
	}
}
