package consume

import (
	"errors"
	"time"

	"github.com/nats-io/nuid"

	"jethook/consume/attempt"
	"jethook/consume/endpoint"
	"jethook/consume/history"
	"jethook/consume/lane"
	"jethook/consume/notice"
	"jethook/consume/registry"
	"jethook/consume/toggle"
)

// disableNotice is which part of DISABLE_AFTER an endpoint must have failed for its circuit to open even if
// it got few requests: what is disabled has been reported as failing before.
const disableNotice = 4

// examine draws from a request's result whether the endpoint is to be disabled. An endpoint's failing is noted in the
// registry, so that every process knows of it, and one that starts tomorrow too.
func (e *Engine) examine(id string, res *attempt.Result, health lane.Health) {
	if res.Verdict == attempt.Aborted { // says nothing of the endpoint
		return
	}
	open, since := health.Open, health.FailingSince
	ep, ok := e.endpoints.Lookup(id)
	if !ok || ep.Disabled {
		return
	}
	noted := !ep.FailingSince.IsZero()
	switch {
	case res.Verdict == attempt.Delivered:
		if noted {
			e.recovered(id)
		}
	case open && !noted:
		e.failing(id, since, res.Detail)
	case open && e.disableAfter > 0 && time.Since(since) >= e.disableAfter &&
		// Every process has had time to say that the endpoint takes something.
		time.Since(ep.UpdatedAt) >= e.disableAfter/(2*disableNotice):
		e.disable(id, "has taken nothing for "+endpoint.Duration(e.disableAfter).String())
	}
}

// errAsItIs ends an update that has nothing to change.
var errAsItIs = errors.New("nothing to change")

// failing notes that an endpoint has failed since then, and that its circuit is open.
func (e *Engine) failing(id string, since time.Time, reason string) {
	var about notice.Data
	changed := e.change(id, "noting that the endpoint fails", func(ep *endpoint.Endpoint) error {
		if ep.Disabled || !ep.FailingSince.IsZero() {
			return errAsItIs
		}
		ep.FailingSince = since.UTC()
		about = notice.About(ep)
		return nil
	})
	if !changed {
		return
	}
	about.FailingSince, about.Reason = since.UTC(), reason
	e.addFailures(&about)
	e.log.Warn("endpoint failing; circuit opened", "endpoint", id, "name", about.Name, "host", about.Host,
		"failing_since", since, "failures", about.Failures, "reason", reason)
	e.record(id, history.CircuitOpened, reason)
	e.announce(notice.Failing, nuid.Next(), about, true)
}

// recovered notes that an endpoint takes deliveries again.
func (e *Engine) recovered(id string) {
	var about notice.Data
	changed := e.change(id, "noting that the endpoint is well", func(ep *endpoint.Endpoint) error {
		if ep.FailingSince.IsZero() {
			return errAsItIs
		}
		about = notice.About(ep)
		about.FailedSince, ep.FailingSince = ep.FailingSince, time.Time{}
		return nil
	})
	if changed {
		e.log.Info("endpoint recovered; circuit closed", "endpoint", id, "name", about.Name, "host", about.Host,
			"failed_since", about.FailedSince)
		e.record(id, history.CircuitClosed, "")
		e.announce(notice.Recovered, nuid.Next(), about, true)
	}
}

// disable switches an endpoint off. Its waiting deliveries stay and go on when it is enabled. That it is announced
// follows from the change itself.
func (e *Engine) disable(id, reason string) {
	if ep, ok := e.endpoints.Lookup(id); ok && !ep.Disabled {
		ctx, cancel := e.flight.Briefly()
		err := toggle.New(e.bus, e.cursors).Leave(ctx, ep)
		cancel()
		e.faults.noting.Tell(e.log, err, "endpoint", id, "what", "noting where the endpoint stands")
		if err != nil { // its next result disables it
			return
		}
	}
	changed := e.change(id, "disabling the endpoint", func(ep *endpoint.Endpoint) error {
		if ep.Disabled {
			return errAsItIs
		}
		ep.Switch(true, reason, time.Now())
		return nil
	})
	if changed {
		e.log.Warn("endpoint disabled", "endpoint", id, "reason", reason)
	}
}

// change updates an endpoint and reports whether that changed anything. What fails is logged, and tried again
// with the next result that asks for it.
func (e *Engine) change(id, what string, update func(*endpoint.Endpoint) error) bool {
	ctx, cancel := e.flight.Briefly()
	defer cancel()
	_, err := e.endpoints.Update(ctx, id, update)
	fails := err
	if errors.Is(err, registry.ErrNotFound) || errors.Is(err, errAsItIs) {
		fails = nil
	}
	e.faults.noting.Tell(e.log, fails, "endpoint", id, "what", what)
	return err == nil
}

// record writes a line about the endpoint itself into its history.
func (e *Engine) record(id string, outcome history.Outcome, reason string) {
	l := history.Line{Attempt: history.Attempt{Time: time.Now().UTC(), Endpoint: id, Outcome: outcome, Class: attempt.ClassNone, Error: reason}}
	e.outcomes.Note(l)
}
