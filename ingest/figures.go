package ingest

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"jethook/ingest/provider"
	"jethook/ingest/source"
	"jethook/publish/groupcommit"
	"jethook/publish/report"
)

// figures count a source's requests since the process started.
type figures struct {
	accepted, duplicates atomic.Uint64
	seen                 atomic.Int64 // unix nanoseconds of the last request that was accepted; 0: none yet

	mu      sync.Mutex // guards refused
	refused map[string]uint64
}

// accept counts an event that is stored.
func (f *figures) accept(receipt groupcommit.Receipt, now time.Time) {
	f.accepted.Add(1)
	if receipt.Duplicate {
		f.duplicates.Add(1)
	}
	f.seen.Store(now.UnixNano())
}

// refuse counts a request that was not stored.
func (f *figures) refuse(reason string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refused == nil {
		f.refused = make(map[string]uint64)
	}
	f.refused[reason]++
}

// reasonOf is the one word for why a request was refused, out of a fixed set: that of [provider.Reason], or else the
// code that its sender was given.
func reasonOf(a answer, err error) string {
	if _, ok := errors.AsType[*source.NotVerifiedError](err); ok {
		return provider.Reason(err)
	}
	return a.code
}

func (f *figures) report(name string) report.Source {
	r := report.Source{Name: name, Accepted: f.accepted.Load(), Duplicates: f.duplicates.Load()}
	if at := f.seen.Load(); at != 0 {
		r.LastSeen = time.Unix(0, at).UTC()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	r.Refused = maps.Clone(f.refused)
	return r
}

// Report returns what came of each source since the process started.
func (s *Server) Report() []report.Source {
	out := make([]report.Source, 0, len(s.sources))
	for name, src := range s.sources {
		r := src.figures.report(name)
		r.ClockOff = src.clock.Ahead(s.now())
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b report.Source) int { return cmp.Compare(a.Name, b.Name) })
	return out
}
