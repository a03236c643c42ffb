package consume

import (
	"testing"
	"time"

	"jethook/publish/delivery"
	"jethook/publish/topology"
)

// What came due long after its time, and was attempted before, came back with a killed server: it is not attempted once
// more, however long ago that was and however it ended. What was not attempted is.
func TestWhatCameBackIsNotAttempted(t *testing.T) {
	t.Parallel()
	bus, js, e := idle(t)
	due := time.Now().Add(-time.Hour) // this process has begun since
	lines := map[string][]string{
		"failed":    {`"attempt":1,"outcome":"failed"`, `"attempt":2,"outcome":"failed"`},
		"delivered": {`"attempt":1,"outcome":"failed"`, `"attempt":3,"outcome":"delivered"`},
		"dead":      {`"attempt":2,"outcome":"dead"`},
		"living":    {`"attempt":1,"outcome":"failed"`},
		"deferred":  {`"attempt":1,"outcome":"failed"`, `"attempt":2,"outcome":"deferred"`},
		"unknown":   nil,
		// By the places of what was attempted: the line about the death before a replay is none about what came after it.
		"replayed": {`"attempt":2,"outcome":"dead","place":7`},
		"ghost":    {`"attempt":1,"outcome":"failed","place":0`, `"attempt":2,"outcome":"failed","place":8`},
	}
	for id := range lines {
		for _, l := range lines[id] {
			stored := make(chan error, 1)
			bus.Deliveries().Record(delivery.HistoryKey{Endpoint: "ep_a", Outcome: "failed", Class: "ok", Status: 200},
				[]byte(`{"delivery":"ep_a.events:`+id+`",`+l+`}`), func(err error) { stored <- err })
			if err := <-stored; err != nil {
				t.Fatal(err)
			}
		}
	}
	for id := range lines {
		m := forgotten(id, due)
		if id == "replayed" || id == "ghost" {
			m.Header["Jethook-Follows"] = []string{"7"}
		}
		if _, err := js.PublishMsg(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		d, _, err := bus.Find().OnItsWay(t.Context(), "ep_a.events:"+id)
		if err != nil {
			t.Fatal(err)
		}
		want := id == "failed" || id == "delivered" || id == "dead" || id == "ghost"
		h := &held{stored: d.Since, in: &intake{queue: topology.QueueDue}}
		if got, err := e.hasOutcome(t.Context(), h, &d); got != want || err != nil {
			t.Errorf("%s: has an outcome: %t, %v", id, got, err)
		}
	}
}
