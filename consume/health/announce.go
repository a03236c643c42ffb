package health

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nuid"

	"jethook/consume/attempt"
	"jethook/consume/endpoint"
	"jethook/consume/notice"
	"jethook/publish/delivery"
	"jethook/publish/query"
	"jethook/publish/topology"
)

// Died counts a dead letter, and tells that a delivery is dead, unless it was itself an operational event: an endpoint that can't
// take those must not cause more of them. The log has a line for the first one of an endpoint since it was well.
func (h *Health) Died(d *delivery.Delivery, res *attempt.Result) {
	h.Deaths.Died(d.Endpoint)
	about := notice.Data{Endpoint: d.Endpoint}
	ep, ok := h.Endpoints.Lookup(d.Endpoint)
	if ok {
		about = notice.About(ep)
	}
	log := h.Log.Debug
	if ok && h.Deaths.FirstDeath(ep.ID) {
		log = h.Log.Warn
	}
	log("delivery is dead", "delivery", d.ID(), "endpoint", d.Endpoint, "name", about.Name, "attempts", d.Attempt, "reason", d.Reason,
		"trace_id", d.Event.TraceID())
	if strings.HasPrefix(d.Event.Subject, topology.OpsPrefix) {
		return
	}
	about.Delivery, about.EventID, about.EventType, about.Subject = d.ID(), d.Event.ID, d.Event.Type, d.Event.Subject
	about.Attempts, about.Reason = d.Attempt, d.Reason
	if res != nil {
		about.LastStatus, about.LastClass = res.Status, string(res.Class)
	}
	h.announce(notice.Dead, nuid.Next(), about, false)
}

// Switched tells that an endpoint was disabled or enabled, whoever did it. Every process sees that and tells
// it, under one id, so that it is told once, and also when the one that did it was killed.
func (h *Health) Switched(before, after *endpoint.Endpoint) {
	if before.Disabled == after.Disabled {
		return
	}
	about := notice.About(after)
	kind := notice.Enabled
	if after.Disabled {
		kind = notice.Disabled
		about.Reason, about.FailingSince = after.DisabledReason, before.FailingSince
		h.addFailures(&about)
	}
	h.announce(kind, fmt.Sprintf("%s.%s.%d", after.ID, kind, after.Revision), about, true)
}

// addFailures adds what this process knows of the endpoint's failures.
func (h *Health) addFailures(about *notice.Data) {
	if seen, ok := h.Report(about.Endpoint); ok {
		about.Failures, about.LastStatus, about.LastClass = seen.Streak, seen.Status, seen.Class
	}
}

// announce publishes an operational event, with what waits for the endpoint if that is asked for. It does not wait:
// an announcement that can't be stored is logged, and what it is about is not held up.
func (h *Health) announce(kind, id string, about notice.Data, counted bool) {
	now := time.Now()
	h.Flight.Go(func() {
		ctx, cancel := h.Flight.Briefly()
		defer cancel()
		if counted {
			about.Waiting = h.total(ctx, query.Waiting(about.Endpoint))
			about.Dead = h.total(ctx, query.Dead(about.Endpoint))
		}
		event, err := about.Event(kind, id, now)
		if err == nil {
			_, err = h.Bus.Publish(ctx, event)
		}
		h.announcing.Tell(h.Log, err)
	})
}

// total counts a selection; nil when that can't be told.
func (h *Health) total(ctx context.Context, sel query.Selection) *uint64 {
	pile, err := h.Bus.Query().Peek(ctx, sel)
	if err != nil {
		h.Log.Debug("cannot count deliveries for an operational event", "error", err)
		return nil
	}
	return &pile.Total
}
