// Package toggle disables and enables endpoints so that no event falls in between.
//
// What came until an endpoint was disabled is delivered or waits, and what comes from then on waits or passes by, as whoever
// disabled it wants; a process may be killed after each step. The package stores where the endpoint's cursors stand, and not
// the endpoint itself: that does its caller.
package toggle

import (
	"context"
	"time"

	"jethook/consume/cursor"
	"jethook/consume/endpoint"
	"jethook/publish"
	"jethook/publish/query"
	"jethook/publish/topology"
)

// Switch disables and enables endpoints so that no event falls in between. Before an endpoint is disabled it leaves the
// shared intake, so that what came until then is delivered or waits; what comes from then on waits too if Jethook disabled
// it, and passes by if its operator did. Before it is enabled, its cursor gets back what passed by and is asked for.
//
// A process may be killed after each step. One that has left and was not disabled keeps up and joins again. One that was
// disabled and has not joined is joined by whoever sees its record. What was asked for waits until the endpoint is enabled.
//
// An ordered endpoint has a place in the stream of its own, where all waits, whoever disabled it.
type Switch struct {
	bus     *publish.Bus
	cursors *cursor.Table
}

// New returns a switch of the endpoints on bus.
func New(bus *publish.Bus, cursors *cursor.Table) *Switch {
	return &Switch{bus, cursors}
}

// FromDisabled asks for all that passed by since an endpoint was disabled.
var FromDisabled = time.Unix(0, 0)

// Prepare is called with an endpoint as it is and as it is to be stored next, before that is stored. From is the time from
// which on what passed by is asked for, if the endpoint is enabled; zero: nothing is. Times before it was disabled mean
// that: what came earlier was delivered, or waits.
func (s *Switch) Prepare(ctx context.Context, before, after *endpoint.Endpoint, from time.Time) error {
	switch {
	case before.Disabled == after.Disabled || before.Ordered:
		return nil
	case after.Disabled:
		return s.Leave(ctx, before)
	case !before.PassesBy(): // all waits for it already
		return nil
	case from.IsZero():
		return s.Settle(ctx, before)
	}
	return eachStream(after, func(key cursor.Key) error { return s.resume(ctx, key, before, after.Events, from) })
}

// Settle lets what comes pass by an endpoint that its operator disabled. It is called when that is stored; should it fail,
// the engine makes up for it.
func (s *Switch) Settle(ctx context.Context, ep *endpoint.Endpoint) error {
	if !ep.PassesBy() {
		return nil
	}
	return eachStream(ep, func(key cursor.Key) error {
		for { // others may change the record meanwhile, as when a lane hands over what it holds
			r, err := s.cursors.Settle(ctx, key)
			if err != nil || r == nil || r.Phase != cursor.Own || r.Asked.Equal(ep.DisabledSince()) {
				return err
			}
			if _, err = s.cursors.PassBy(ctx, r); err != nil {
				return err
			}
		}
	})
}

// Leave lets an endpoint leave the shared intake of every stream that it listens to.
func (s *Switch) Leave(ctx context.Context, ep *endpoint.Endpoint) error {
	if ep.Ordered {
		return nil
	}
	return eachStream(ep, func(key cursor.Key) error {
		_, err := s.cursors.Leave(ctx, key, cursor.Disabled)
		return err
	})
}

// resume gives an endpoint's cursor what passed by from a time on.
func (s *Switch) resume(ctx context.Context, key cursor.Key, ep *endpoint.Endpoint, patterns []string, from time.Time) error {
	since := ep.DisabledSince()
	all := !from.After(since)
	if !all {
		since = from
	}
	r, err := s.cursors.Settle(ctx, key)
	if err != nil {
		return err
	}
	var first uint64
	if r == nil || !all { // else its record says where it was disabled
		if first, err = s.bus.Query().FirstSince(ctx, query.Events(key.Stream, patterns), since); err != nil {
			return err
		}
	}
	return s.cursors.Resume(ctx, key, first, ep.DisabledSince())
}

// eachStream calls do for each stream that an endpoint listens to.
func eachStream(ep *endpoint.Endpoint, do func(cursor.Key) error) error {
	for _, stream := range topology.EventStreams {
		if len(topology.Filters(stream, ep.Events)) == 0 {
			continue
		}
		if err := do(cursor.Key{Endpoint: ep.ID, Stream: stream}); err != nil {
			return err
		}
	}
	return nil
}
