// Package health draws from the results of attempts what they say about an endpoint, and tells of it.
//
// That an endpoint fails, is well again, or is to be disabled is noted in the registry, so that every process knows of it, and
// one that starts tomorrow too; and it is announced by an operational event. The package makes no attempt and stores no outcome
// of one; whether a circuit is open says the lane.
package health

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/nats-io/nuid"

	"jethook/consume/attempt"
	"jethook/consume/endpoint"
	"jethook/consume/flight"
	"jethook/consume/history"
	"jethook/consume/lane"
	"jethook/consume/notice"
	"jethook/consume/registry"
	"jethook/publish"
	"jethook/publish/outage"
	"jethook/publish/report"
)

// disableNotice is which part of DISABLE_AFTER an endpoint must have failed for its circuit to open even if
// it got few requests: what is disabled has been reported as failing before.
const disableNotice = 4

// Trip is for how long an endpoint must have failed for its circuit to open, if one is disabled after a time.
func Trip(disableAfter time.Duration) time.Duration { return disableAfter / disableNotice }

// Endpoints are the endpoints as this process has heard of them, and as the bucket has them: a [registry.Registry].
type Endpoints interface {
	Lookup(id string) (*endpoint.Endpoint, bool)
	Update(ctx context.Context, id string, change func(*endpoint.Endpoint) error) (endpoint.Endpoint, error)
}

// Switch lets an endpoint leave the shared intake before it is disabled: a [toggle.Switch].
type Switch interface {
	Leave(context.Context, *endpoint.Endpoint) error
}

// History takes lines that belong to no delivery: an [outcome.Writer].
type History interface{ Note(history.Line) }

// Deaths counts dead letters.
type Deaths interface {
	Died(id string)
	// FirstDeath reports whether none of an endpoint has died since it last took one, and remembers that one has now.
	FirstDeath(id string) bool
}

// Settings are what Health needs.
type Settings struct {
	Bus          *publish.Bus
	Endpoints    Endpoints
	Switch       Switch
	History      History
	Deaths       Deaths
	Report       func(id string) (seen report.Endpoint, ok bool) // what this process saw of an endpoint; false: nothing
	DisableAfter time.Duration                                   // how long an endpoint may fail before it is disabled; 0: for ever
	Flight       *flight.Flight
	Log          *slog.Logger
}

// Health is that of all endpoints, as this process sees it. It is safe for concurrent use.
type Health struct {
	Settings
	announcing outage.Outage // operational events
	noting     outage.Outage // in the registry that an endpoint fails, is well, or is disabled
}

// New returns Health that knows of nothing yet.
func New(s Settings) *Health {
	return &Health{
		Settings:   s,
		announcing: outage.Outage{Fails: "cannot publish operational events", Works: "publishing operational events again"},
		noting: outage.Outage{
			Fails: "cannot store the state of an endpoint; retrying with its next result",
			Works: "storing the state of endpoints again",
		},
	}
}

// Examine draws from a request's result whether the endpoint is to be disabled. An endpoint's failing is noted in the
// registry, so that every process knows of it, and one that starts tomorrow too.
func (h *Health) Examine(id string, res *attempt.Result, seen lane.Health) {
	if res.Verdict == attempt.Aborted { // says nothing of the endpoint
		return
	}
	open, since := seen.Open, seen.FailingSince
	ep, ok := h.Endpoints.Lookup(id)
	if !ok || ep.Disabled {
		return
	}
	noted := !ep.FailingSince.IsZero()
	switch {
	case res.Verdict == attempt.Delivered:
		if noted {
			h.recovered(id)
		}
	case open && !noted:
		h.failing(id, since, res.Detail)
	case open && h.DisableAfter > 0 && time.Since(since) >= h.DisableAfter &&
		// Every process has had time to say that the endpoint takes something.
		time.Since(ep.UpdatedAt) >= h.DisableAfter/(2*disableNotice):
		h.Disable(id, "has taken nothing for "+endpoint.Duration(h.DisableAfter).String())
	}
}

// errAsItIs ends an update that has nothing to change.
var errAsItIs = errors.New("nothing to change")

// failing notes that an endpoint has failed since then, and that its circuit is open.
func (h *Health) failing(id string, since time.Time, reason string) {
	var about notice.Data
	changed := h.change(id, "noting that the endpoint fails", func(ep *endpoint.Endpoint) error {
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
	h.addFailures(&about)
	h.Log.Warn("endpoint failing; circuit opened", "endpoint", id, "name", about.Name, "host", about.Host,
		"failing_since", since, "failures", about.Failures, "reason", reason)
	h.record(id, history.CircuitOpened, reason)
	h.announce(notice.Failing, nuid.Next(), about, true)
}

// recovered notes that an endpoint takes deliveries again.
func (h *Health) recovered(id string) {
	var about notice.Data
	changed := h.change(id, "noting that the endpoint is well", func(ep *endpoint.Endpoint) error {
		if ep.FailingSince.IsZero() {
			return errAsItIs
		}
		about = notice.About(ep)
		about.FailedSince, ep.FailingSince = ep.FailingSince, time.Time{}
		return nil
	})
	if changed {
		h.Log.Info("endpoint recovered; circuit closed", "endpoint", id, "name", about.Name, "host", about.Host,
			"failed_since", about.FailedSince)
		h.record(id, history.CircuitClosed, "")
		h.announce(notice.Recovered, nuid.Next(), about, true)
	}
}

// Disable switches an endpoint off. Its waiting deliveries stay and go on when it is enabled. That it is announced
// follows from the change itself.
func (h *Health) Disable(id, reason string) {
	if ep, ok := h.Endpoints.Lookup(id); ok && !ep.Disabled {
		ctx, cancel := h.Flight.Briefly()
		err := h.Switch.Leave(ctx, ep)
		cancel()
		h.noting.Tell(h.Log, err, "endpoint", id, "what", "noting where the endpoint stands")
		if err != nil { // its next result disables it
			return
		}
	}
	changed := h.change(id, "disabling the endpoint", func(ep *endpoint.Endpoint) error {
		if ep.Disabled {
			return errAsItIs
		}
		ep.Switch(true, reason, time.Now())
		return nil
	})
	if changed {
		h.Log.Warn("endpoint disabled", "endpoint", id, "reason", reason)
	}
}

// change updates an endpoint and reports whether that changed anything. What fails is logged, and tried again
// with the next result that asks for it.
func (h *Health) change(id, what string, update func(*endpoint.Endpoint) error) bool {
	ctx, cancel := h.Flight.Briefly()
	defer cancel()
	_, err := h.Endpoints.Update(ctx, id, update)
	fails := err
	if errors.Is(err, registry.ErrNotFound) || errors.Is(err, errAsItIs) {
		fails = nil
	}
	h.noting.Tell(h.Log, fails, "endpoint", id, "what", what)
	return err == nil
}

// record writes a line about the endpoint itself into its history.
func (h *Health) record(id string, outcome history.Outcome, reason string) {
	l := history.Line{Attempt: history.Attempt{Time: time.Now().UTC(), Endpoint: id, Outcome: outcome, Class: attempt.ClassNone, Error: reason}}
	h.History.Note(l)
}
