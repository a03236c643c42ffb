package deliveries

import (
	"context"
	"fmt"
	"slices"

	"jethook/consume/cursor"
	"jethook/consume/endpoint"
	"jethook/publish/eventlog"
	"jethook/publish/query"
	"jethook/publish/topology"
)

// streamPart is what waits in a stream of events for endpoints that have not come to it: each event stands for a delivery
// to each of them.
type streamPart struct {
	*backlogs
	q      *Query
	stream string
	behind []*cursor.Backlog // by endpoint
	part   *part

	tail  *eventlog.Tail  // nil: reading has not begun
	heads []eventlog.Head // that were read, and are not on a page yet
}

// streamParts returns the parts of a list that lie in the streams of events, always the same of a query.
func (l *Store) streamParts(ctx context.Context, q *Query) (all []*part, err error) {
	if q.Status != "" && q.Status != StatusWaiting || q.Class != "" || q.Code != 0 || l.endpoints == nil {
		return nil, nil
	}
	endpoints := l.endpoints.All()
	if q.Endpoint != "" {
		endpoints = slices.DeleteFunc(slices.Clone(endpoints), func(ep *endpoint.Endpoint) bool { return ep.ID != q.Endpoint })
	}
	behind, err := l.cursors.Backlogs(ctx, endpoints)
	if err != nil {
		return nil, err
	}
	looked := l.backlogs()
	for _, stream := range topology.EventStreams {
		s := &streamPart{backlogs: looked, q: q, stream: stream, part: &part{status: StatusWaiting}}
		for _, b := range behind {
			if b.Stream == stream {
				s.behind = append(s.behind, b)
			}
		}
		s.part.read = s.read
		all = append(all, s.part)
	}
	return all, nil
}

// read returns the next deliveries, newest first, those of one event in the order of the endpoints. Of a part of the stream
// that holds none it returns an item that is none, so that whoever reads can stop there.
func (s *streamPart) read(ctx context.Context, before uint64) (page []item, next uint64, err error) {
	first, end := s.span()
	if len(s.behind) == 0 {
		return nil, 0, nil
	}
	if s.tail == nil {
		if err := s.open(ctx, before, end); err != nil {
			return nil, 0, err
		}
	}
	if len(s.heads) == 0 {
		if s.heads, err = s.tail.Next(ctx); err != nil {
			return nil, 0, fmt.Errorf("reading %s: %w", s.stream, err)
		}
	}
	for len(s.heads) > 0 && len(page) < s.q.Limit {
		h := &s.heads[0]
		s.heads = s.heads[1:]
		if h.Seq < first {
			return page, 0, nil
		}
		if page, err = s.add(ctx, page, h); err != nil {
			return nil, 0, err
		}
		next = h.Seq
		if len(page) == 0 && len(s.heads) == 0 {
			page = append(page, item{Stored: query.Stored{Seq: h.Seq, Time: h.Time}, d: &Delivery{}})
		}
	}
	if len(s.heads) == 0 && (s.tail.Done() || s.tail.Before() <= first) {
		next = 0
	}
	return page, next, nil
}

// span is where the backlogs lie.
func (s *streamPart) span() (first, end uint64) {
	for i, b := range s.behind {
		from, until := b.Span()
		if i == 0 || from < first {
			first = from
		}
		if i == 0 || until == 0 || end != 0 && until > end {
			end = until
		}
	}
	return first, end
}

// open begins to read below a sequence; 0: at the newest that may wait.
func (s *streamPart) open(ctx context.Context, before, end uint64) (err error) {
	var patterns []string
	for _, b := range s.behind {
		patterns = append(patterns, b.Endpoint.Events...)
	}
	if s.tail, err = s.bus.EventLog().Tail(ctx, query.Events(s.stream, patterns), s.q.Since, s.q.Until); err != nil {
		return err
	}
	if before == 0 || end != 0 && end < before {
		before = end
	}
	if before != 0 {
		err = s.tail.Seek(ctx, before)
	}
	return err
}

// add adds the deliveries of an event that wait.
func (s *streamPart) add(ctx context.Context, page []item, h *eventlog.Head) ([]item, error) {
	if s.q.Type != "" && !MatchesType(s.q.Type, h.Type) || s.q.EventID != "" && h.ID != s.q.EventID {
		return page, nil
	}
	listed := &s.part.last
	for _, b := range s.behind {
		if listed.d != nil && listed.Seq == h.Seq && b.Endpoint.ID <= listed.d.Endpoint || !topology.MatchesAny(h.Subject, b.Endpoint.Events) {
			continue
		}
		stand, err := s.stand(ctx, b, &h.Event)
		if err != nil {
			return page, err
		}
		if stand != cursor.Elsewhere {
			d := WaitsBehind(b, h, stand)
			page = append(page, item{Stored: query.Stored{Seq: h.Seq, Time: h.Time}, d: &d})
		}
	}
	return page, nil
}
