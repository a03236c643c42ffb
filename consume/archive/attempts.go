package archive

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"jethook/consume/deliveries"
	"jethook/consume/history"
	"jethook/consume/paging"
	"jethook/publish"
	"jethook/publish/delivery"
	"jethook/publish/eventlog"
	"jethook/publish/query"
)

const (
	// maxAttempts bounds how many attempts of one event are shown.
	maxAttempts = paging.Max
	// linesRead bounds how many lines of the history are read for one event: it takes some 50 ms.
	linesRead = 10_000
	// pageLines is how many lines are read at once where few are expected.
	pageLines = 64
	// clockSkew is by how much the clocks of the servers of a cluster may differ, which give events and lines their times.
	clockSkew = time.Second
)

// lookup collects the attempts at one event. The history has no index of events: where more lines were recorded since than it
// may read, it follows the endpoints that may have got the event.
type lookup struct {
	bus   *publish.Bus
	event *eventlog.Head
	mark  []byte // what a line of the event holds
	skew  time.Duration

	left  int                        // lines that may still be read
	found map[uint64]history.Attempt // by their place in the history
	whole bool                       // nothing was left out
}

// lookup returns what there is of the attempts at an event. Those to endpoints that are not among these are found only where the
// history is short, or that of the minutes after the event was stored.
func (a *Archive) lookup(ctx context.Context, h *eventlog.Head, endpoints []string) (*lookup, error) {
	mark, _ := json.Marshal(h.ID) // a string always can
	l := &lookup{bus: a.bus, event: h, mark: mark, skew: a.skew, left: a.lines, found: map[uint64]history.Attempt{}, whole: true}
	everything := delivery.HistoryKey{}.Selection()
	first, last, err := a.bus.Query().Ends(ctx, everything, h.Time.Add(-deliveries.ClockSlack))
	if err != nil || first == 0 {
		return l, err
	}
	newest := max(last+1, first)
	end := newest
	if soon := h.Time.Add(deliveries.Soon); end-first > uint64(l.left) && soon.Before(time.Now()) {
		if end, err = a.bus.Query().FirstSince(ctx, everything, soon); err != nil {
			return nil, err
		}
	}
	if end-first <= uint64(l.left) {
		if err := l.read(ctx, everything, first, end); err != nil || end == newest {
			return l, err
		}
	}
	near, err := a.bus.Query().FirstSince(ctx, everything, h.Time.Add(-l.skew))
	for i, endpoint := range endpoints {
		if err != nil {
			return nil, err
		}
		if l.left <= 0 {
			l.whole = false
			break
		}
		err = l.follow(ctx, endpoint, near, l.left/(len(endpoints)-i))
	}
	return l, err
}

// attempts are those that were found, the newest first, and whether these are all.
func (l *lookup) attempts() (newest []history.Attempt, all bool) {
	places := slices.Sorted(maps.Keys(l.found))
	slices.Reverse(places)
	newest = []history.Attempt{}
	for _, place := range places[:min(len(places), maxAttempts)] {
		newest = append(newest, l.found[place])
	}
	return newest, l.whole && len(places) <= maxAttempts
}

// read reads a part of the history.
func (l *lookup) read(ctx context.Context, selection query.Selection, first, end uint64) error {
	for first != 0 && first < end {
		page, next, err := l.bus.Query().Forward(ctx, selection, first, int(min(end-first, paging.Max)))
		if err != nil {
			return fmt.Errorf("reading the history: %w", err)
		}
		l.take(page)
		first = next
	}
	return nil
}

// follow looks for the attempts to one endpoint, and reads about so many of its lines: those since the event was stored, from
// where each attempt says that the next one is due, and the newest.
func (l *lookup) follow(ctx context.Context, endpoint string, from uint64, lines int) error {
	selection := delivery.HistoryKey{Endpoint: endpoint}.Selection()
	end := l.left - max(lines, pageLines)
	for ended := false; !ended; {
		met, next, err := l.seek(ctx, selection, from, max((l.left-end)/2, pageLines))
		switch {
		case err != nil:
			return err
		case next == 0: // these were all
			return nil
		case met == nil || l.left <= end:
			l.whole, ended = false, true
		case met.Next == nil || met.Next.After(time.Now()):
			ended = true
		default:
			due, err := l.bus.Query().FirstSince(ctx, selection, met.Next.Add(-l.skew))
			if err != nil {
				return err
			}
			from = max(due, next)
		}
	}
	newest, _, err := l.bus.Query().Reverse(ctx, selection, 0, pageLines) // it may have been sent again
	l.take(newest)
	return err
}

// seek reads on until it meets an attempt, or has read so many lines. It returns the last attempt that it met, or nil, and where
// to go on; 0: it came to the end.
func (l *lookup) seek(ctx context.Context, selection query.Selection, from uint64, lines int) (met *history.Attempt, next uint64, err error) {
	stop := l.left - lines
	for size := pageLines; met == nil && l.left > stop; size = min(2*size, paging.Max) {
		page, next, err := l.bus.Query().Forward(ctx, selection, from, min(size, l.left-stop))
		if err != nil {
			return nil, 0, fmt.Errorf("reading the history: %w", err)
		}
		met = l.take(page)
		if next == 0 {
			return met, 0, nil
		}
		from = next
	}
	return met, from, nil
}

// take keeps the attempts at the event among some lines, and returns the last one.
func (l *lookup) take(lines []query.Stored) (last *history.Attempt) {
	l.left -= len(lines)
	for i := range lines {
		if !bytes.Contains(lines[i].Data, l.mark) { // which is quick to see
			continue
		}
		a, err := history.Parse(lines[i].Data)
		// Another source may have an event of that id, and so may this one.
		if err == nil && a.EventID == l.event.ID && l.event.HasDelivery(a.Delivery) {
			l.found[lines[i].Seq], last = a, &a
		}
	}
	return last
}
