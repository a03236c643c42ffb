package consume

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"jethook/consume/attempt"
	"jethook/consume/endpoint"
)

// examine draws from a request's result what it says about the endpoint: its pace, its circuit, and whether it
// is to be disabled. An endpoint's failing is noted in the registry, so that every process knows of it, and one
// that starts tomorrow too.
func (e *Engine) examine(l *lane, res *attempt.Result) {
	if res.Verdict == attempt.Aborted { // says nothing of the endpoint
		return
	}
	open, since := l.learn(res)
	ep, ok := e.endpoints.Lookup(l.id)
	if !ok || ep.Disabled {
		return
	}
	noted := !ep.FailingSince.IsZero()
	switch {
	case res.Verdict == attempt.Delivered:
		if noted {
			e.recovered(l.id)
		}
	case open && !noted:
		e.failing(l.id, since, res.Detail)
	case open && e.disableAfter > 0 && time.Since(since) >= e.disableAfter &&
		// Every process has had time to say that the endpoint takes something.
		time.Since(ep.UpdatedAt) >= e.disableAfter/(2*disableNotice):
		e.disable(l.id, "has taken nothing for "+endpoint.Duration(e.disableAfter).String())
	}
}

// errAsItIs ends an update that has nothing to change.
var errAsItIs = errors.New("nothing to change")

// failing notes that an endpoint has failed since then, and that its circuit is open.
func (e *Engine) failing(id string, since time.Time, reason string) {
	changed := e.change(id, "noting that the endpoint fails", func(ep *endpoint.Endpoint) error {
		if ep.Disabled || !ep.FailingSince.IsZero() {
			return errAsItIs
		}
		ep.FailingSince = since.UTC()
		return nil
	})
	if changed {
		e.log.Warn("endpoint fails; its circuit is open", "endpoint", id, "failing_since", since, "reason", reason)
		e.mark(id, OutcomeCircuitOpened, reason)
		e.announce("endpoint.failing", map[string]any{"endpoint": id, "failing_since": since.UTC(), "reason": reason})
	}
}

// recovered notes that an endpoint takes deliveries again.
func (e *Engine) recovered(id string) {
	var since time.Time
	changed := e.change(id, "noting that the endpoint is well", func(ep *endpoint.Endpoint) error {
		if ep.FailingSince.IsZero() {
			return errAsItIs
		}
		since, ep.FailingSince = ep.FailingSince, time.Time{}
		return nil
	})
	if changed {
		e.log.Info("endpoint is well again; its circuit is closed", "endpoint", id, "failed_since", since)
		e.mark(id, OutcomeCircuitClosed, "")
		e.announce("endpoint.recovered", map[string]any{"endpoint": id, "failed_since": since})
	}
}

// disable switches an endpoint off. Its waiting deliveries stay and go on when it is enabled.
func (e *Engine) disable(id, reason string) {
	changed := e.change(id, "disabling the endpoint", func(ep *endpoint.Endpoint) error {
		if ep.Disabled {
			return errAsItIs
		}
		ep.Disabled, ep.DisabledReason, ep.FailingSince = true, reason, time.Time{}
		return nil
	})
	if changed {
		e.log.Warn("endpoint disabled", "endpoint", id, "reason", reason)
		e.announce("endpoint.disabled", map[string]any{"endpoint": id, "reason": reason})
	}
}

// change updates an endpoint and reports whether that changed anything. What fails is logged, and tried again
// with the next result that asks for it.
func (e *Engine) change(id, what string, update func(*endpoint.Endpoint) error) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(e.flight), 5*time.Second)
	defer cancel()
	_, err := e.endpoints.Update(ctx, id, update)
	if err != nil && !errors.Is(err, endpoint.ErrNotFound) && !errors.Is(err, errAsItIs) {
		e.log.Error(what+" failed", "endpoint", id, "error", err)
	}
	return err == nil
}

// mark writes a line about the endpoint itself into its history.
func (e *Engine) mark(id string, outcome Outcome, reason string) {
	l := line{Attempt: Attempt{Time: time.Now().UTC(), Endpoint: id, Outcome: outcome, Class: attempt.ClassNone, Error: reason}}
	text, err := json.Marshal(l)
	if err != nil {
		e.log.Error("not recorded", "endpoint", id, "outcome", outcome, "error", err)
		return
	}
	e.store(func(done func(error)) { e.bus.Record(l.trait(), text, done) }, func() {}, func(err error) {
		e.log.Error("not recorded", "endpoint", id, "outcome", outcome, "error", err)
	})
}

// failFast gives a delivery its place in the retry schedule without a request, because the endpoint's circuit
// is open: a request of the last moments has failed, or still hangs. The last attempt fails only when a request
// failed that was made after the delivery came due; until then it waits for its turn.
func (e *Engine) failFast(l *lane, j *job) {
	ep, ok := e.endpoints.Lookup(j.d.Endpoint)
	if !ok {
		e.finish(j)
		return
	}
	if _, more := ep.Next(j.d.Attempt, 0, e.schedule); !more && !l.failedSince(j.due()) {
		e.deferUntil(j, l.turn(j.class()))
		return
	}
	e.conclude(j, ep, &attempt.Result{
		Verdict: attempt.Failed, Class: attempt.ClassCircuitOpen, Detail: "circuit open", Started: time.Now(),
	})
}
