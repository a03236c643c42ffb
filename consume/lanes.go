package consume

import (
	"time"

	"jethook/consume/endpoint"
	"jethook/consume/held"
	"jethook/consume/lane"
	"jethook/publish/report"
)

// lane returns an endpoint's, which is opened if it is not.
func (e *Engine) lane(ep *endpoint.Endpoint) *held.Lane {
	return e.lanes.Open(ep.ID, func() *endpoint.Endpoint {
		e.meters.Open(ep.ID)
		if now, ok := e.endpoints.Lookup(ep.ID); ok { // its last change may just have been told
			return now
		}
		return ep
	})
}

// Report returns what this process does for each endpoint that it has had something for.
func (e *Engine) Report() []report.Endpoint {
	now := time.Now()
	lanes := e.lanes.All()
	out := make([]report.Endpoint, len(lanes))
	for i, l := range lanes {
		out[i] = l.Report(now)
	}
	return out
}

// reportOn is Report for one endpoint; false if this process has had nothing for it.
func (e *Engine) reportOn(id string) (report.Endpoint, bool) {
	l := e.lanes.Find(id)
	if l == nil {
		return report.Endpoint{}, false
	}
	return l.Report(time.Now()), true
}

// circuits tells a recovery of the lanes' circuits.
type circuits struct{ lanes *lane.Pool[*held.Job] }

// IsOpen reports whether an endpoint's circuit is open in this process.
func (c circuits) IsOpen(id string) bool {
	l := c.lanes.Find(id)
	return l != nil && !l.Works()
}
