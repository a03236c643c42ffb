package recovery

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"jethook/consume/cursor"
	"jethook/consume/endpoint"
	"jethook/consume/history"
	"jethook/consume/paging"
	"jethook/publish"
	"jethook/publish/delivery"
	"jethook/publish/failure"
	"jethook/publish/query"
	"jethook/publish/topology"
)

// redeliverer finds what a recovery is to redeliver, scan by scan, and redelivers it.
type redeliverer struct {
	bus     *publish.Bus
	cursors *cursor.Table
	rec     *Recovery
	ep      *endpoint.Endpoint
	traces  *traces // of what was delivered; nil until it is needed
}

// scan is one walk through a stream.
type scan struct {
	phase     Phase
	stream    string // of events; empty: of deliveries
	selection query.Selection
	choose    func(context.Context, []query.Stored) ([]delivery.Delivery, error)
	move      func(context.Context, []delivery.Delivery) (int, error)
}

// scans are always the same number in the same order: a recovery's place counts them.
func (s *redeliverer) scans() []scan {
	scans := []scan{
		{PhaseDead, "", query.Dead(s.ep.ID).WithBodies(), s.chooseStored, s.replay},
		{PhaseWaiting, "", query.Waiting(s.ep.ID).WithBodies(), s.chooseWaiting, s.advance},
	}
	for _, stream := range topology.EventStreams {
		choose := func(ctx context.Context, page []query.Stored) ([]delivery.Delivery, error) {
			return s.chooseMissed(ctx, stream, page)
		}
		scans = append(scans, scan{PhaseMissed, stream, query.Events(stream, s.ep.Events), choose, s.send})
	}
	return scans
}

// span returns from where to where a scan walks; 0 and 0 when there is nothing.
func (s *redeliverer) span(ctx context.Context, l scan) (first, last uint64, err error) {
	since, until := s.rec.Since, s.rec.Started
	if l.phase == PhaseMissed {
		if len(topology.Filters(l.stream, s.ep.Events)) == 0 {
			return 0, 0, nil
		}
		since, until = s.window()
	}
	if !since.Before(until) {
		return 0, 0, nil
	}
	if first, last, err = s.bus.Query().Ends(ctx, l.selection, since); err != nil || first == 0 {
		return 0, 0, err
	}
	beyond, _, err := s.bus.Query().Ends(ctx, l.selection, until)
	if beyond != 0 {
		last = beyond - 1
	}
	if first > last {
		return 0, 0, err
	}
	return first, last, err
}

// inRange reports whether the recovery is about an event that was taken at this time.
func (s *redeliverer) inRange(taken time.Time) bool {
	return !taken.Before(s.rec.Since) && taken.Before(s.rec.Until)
}

// chooseStored returns the deliveries that were stored before the recovery began, so that it comes to an end.
func (s *redeliverer) chooseStored(_ context.Context, page []query.Stored) (chosen []delivery.Delivery, err error) {
	for i := range page {
		d, err := delivery.Of(&page[i])
		if err == nil && d.Since.Before(s.rec.Started) && s.inRange(d.Event.Received) {
			chosen = append(chosen, d)
		}
	}
	return chosen, nil
}

// chooseWaiting passes over what waits for its turn: its lane sees to that.
func (s *redeliverer) chooseWaiting(ctx context.Context, page []query.Stored) (chosen []delivery.Delivery, err error) {
	all, err := s.chooseStored(ctx, page)
	for i := range all {
		if all[i].Why != delivery.WhyTurn {
			chosen = append(chosen, all[i])
		}
	}
	return chosen, err
}

// replay makes dead letters due, and returns how many are.
func (s *redeliverer) replay(ctx context.Context, dead []delivery.Delivery) (moved int, err error) {
	return s.bus.Deliveries().ReplayAll(ctx, dead)
}

// advance makes waiting deliveries due. Those that came due or changed meanwhile are well as they are.
func (s *redeliverer) advance(ctx context.Context, waiting []delivery.Delivery) (moved int, err error) {
	outcomes := make(chan error, len(waiting))
	for i := range waiting {
		s.bus.Deliveries().Advance(&waiting[i], func(err error) { outcomes <- err })
	}
	for range waiting {
		select {
		case outcome := <-outcomes:
			switch {
			case outcome == nil:
				moved++
			case !errors.Is(outcome, failure.ErrConflict):
				err = outcome
			}
		case <-ctx.Done():
			return moved, ctx.Err()
		}
	}
	return moved, err
}

// batch is how many messages are read and moved at once.
const batch = 250

// atOnce is how many look-ups or writes of one portion are under way together.
const atOnce = 32

// send sends events that the endpoint missed. The recovery's id names the request: done again after a crash, it is one
// delivery.
func (s *redeliverer) send(ctx context.Context, missed []delivery.Delivery) (sent int, err error) {
	outcomes := make([]error, len(missed))
	var g errgroup.Group
	g.SetLimit(atOnce)
	for i := range missed {
		g.Go(func() error {
			outcomes[i] = s.bus.Deliveries().Send(ctx, &missed[i], s.rec.ID)
			return nil
		})
	}
	_ = g.Wait() // it has no error of its own
	for _, outcome := range outcomes {
		switch {
		case outcome == nil:
			sent++
		case !errors.Is(outcome, failure.ErrConflict): // else it is on its way
			err = outcome
		}
	}
	return sent, err
}

// Count tells what a recovery would redeliver now, and changes nothing. ErrTooMuch: the time is too long.
func (r *Recoveries) Count(ctx context.Context, ep *endpoint.Endpoint, since, until time.Time, missing bool) (Recovery, error) {
	rec := newRecovery(ep, since, until, missing)
	rec.ID, rec.DryRun = "", true
	var err error
	if rec.Gone, err = missedSince(ctx, r.bus, ep.ID, since); err != nil {
		return rec, err
	}
	s := &redeliverer{bus: r.bus, cursors: r.cursors, rec: &rec, ep: ep}
	for _, l := range s.scans() {
		rec.Phase = l.phase
		n, err := s.count(ctx, l)
		if err != nil {
			return rec, fmt.Errorf("counting: %w", err)
		}
		rec.Counts.add(l.phase, n)
	}
	rec.State, rec.Finished = Done, time.Now().UTC()
	return rec, nil
}

func (s *redeliverer) count(ctx context.Context, l scan) (n int, err error) {
	next, last, err := s.span(ctx, l)
	if err == nil && l.phase == PhaseMissed && !s.ep.Ordered { // what has no outcome yet is not missed
		var settled uint64
		settled, err = s.bus.Queues().Settled(ctx, l.stream)
		last = min(last, settled)
	}
	for err == nil && next != 0 && next <= last {
		var page []query.Stored
		var chosen []delivery.Delivery
		if page, next, err = s.bus.Query().Forward(ctx, l.selection, next, batch); err == nil {
			chosen, err = l.choose(ctx, upTo(page, last))
			n += len(chosen)
		}
	}
	return n, err
}

// upTo returns the messages of a page with sequences of at most last.
func upTo(page []query.Stored, last uint64) []query.Stored {
	for i := range page {
		if page[i].Seq > last {
			return page[:i]
		}
	}
	return page
}

// missedSince counts what retention took while it waited for an endpoint, as far as the history tells.
func missedSince(ctx context.Context, bus *publish.Bus, id string, since time.Time) (n uint64, err error) {
	sel := delivery.HistoryKey{Endpoint: id, Outcome: string(history.Missed)}.Selection()
	told := make(map[string]bool)
	lines, err := history.Since(ctx, bus.Query(), sel, since)
	if err != nil {
		return 0, err
	}
	err = lines.ReadOn(ctx, paging.Max, func(s *query.Stored) error {
		if a, err := history.Parse(s.Data); err == nil && !told[a.EventID] { // else it is none of ours
			told[a.EventID] = true
			n += a.Missed
		}
		return nil
	})
	return n, err
}
