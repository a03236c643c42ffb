package consume

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

// announceDeath tells that a delivery is dead, unless it was itself an operational event: an endpoint that can't
// take those must not cause more of them. The log has a line for the first one of an endpoint since it was well.
func (e *Engine) announceDeath(d *delivery.Delivery, res *attempt.Result) {
	about := notice.Data{Endpoint: d.Endpoint}
	ep, ok := e.endpoints.Lookup(d.Endpoint)
	if ok {
		about = notice.About(ep)
	}
	log := e.log.Debug
	if ok && e.meters.FirstDeath(ep.ID) {
		log = e.log.Warn
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
	e.announce(notice.Dead, nuid.Next(), about, false)
}

// announceSwitch tells that an endpoint was disabled or enabled, whoever did it. Every process sees that and tells
// it, under one id, so that it is told once, and also when the one that did it was killed.
func (e *Engine) announceSwitch(before, after *endpoint.Endpoint) {
	if before.Disabled == after.Disabled {
		return
	}
	about := notice.About(after)
	kind := notice.Enabled
	if after.Disabled {
		kind = notice.Disabled
		about.Reason, about.FailingSince = after.DisabledReason, before.FailingSince
		e.addFailures(&about)
	}
	e.announce(kind, fmt.Sprintf("%s.%s.%d", after.ID, kind, after.Revision), about, true)
}

// addFailures adds what this process knows of the endpoint's failures.
func (e *Engine) addFailures(about *notice.Data) {
	if l := e.lanes.Find(about.Endpoint); l != nil {
		seen := l.Report(time.Now())
		about.Failures, about.LastStatus, about.LastClass = seen.Streak, seen.Status, seen.Class
	}
}

// announce publishes an operational event, with what waits for the endpoint if that is asked for. It does not wait:
// an announcement that can't be stored is logged, and what it is about is not held up.
func (e *Engine) announce(kind, id string, about notice.Data, counted bool) {
	now := time.Now()
	e.flight.Go(func() {
		ctx, cancel := e.flight.Briefly()
		defer cancel()
		if counted {
			about.Waiting = e.total(ctx, query.Waiting(about.Endpoint))
			about.Dead = e.total(ctx, query.Dead(about.Endpoint))
		}
		event, err := about.Event(kind, id, now)
		if err == nil {
			_, err = e.bus.Publish(ctx, event)
		}
		e.faults.announcing.Tell(e.log, err)
	})
}

// total counts a selection; nil when that can't be told.
func (e *Engine) total(ctx context.Context, sel query.Selection) *uint64 {
	pile, err := e.bus.Query().Peek(ctx, sel)
	if err != nil {
		e.log.Debug("cannot count deliveries for an operational event", "error", err)
		return nil
	}
	return &pile.Total
}
