// Package recent keeps the newest events, which stand for what comes: forms show by them what a pattern would choose, and suggest
// types and subjects.
package recent

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"jethook/consume/admin/events"
	"jethook/consume/admin/operation"
	"jethook/consume/archive"
	"jethook/consume/dashboard/format"
	"jethook/consume/dashboard/frame"
	"jethook/consume/paging"
	"jethook/publish/topology"
)

const (
	// seenEvents is how many of the newest events stand for what comes.
	seenEvents = 1000
	// seenFresh is for how long they are not read anew, if there are that many: whoever types a pattern asks with every letter.
	seenFresh = 10 * time.Second
)

// API is where events are read.
type API interface {
	List(ctx context.Context, page operation.PageParams, span events.SpanParams) (*events.EventPage, error)
}

// Events are the newest stored events, without their bodies.
type Events struct {
	api API

	mu     sync.Mutex // guards what follows, and lets one request read for all
	at     time.Time
	events []archive.StoredEvent
}

// New returns the events that the API knows.
func New(api API) *Events { return &Events{api: api} }

// Newest returns the newest events, at most a thousand, the newest first. They are shared and must not be modified.
func (e *Events) Newest(ctx context.Context) ([]archive.StoredEvent, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.events) >= seenEvents && time.Since(e.at) < seenFresh {
		return e.events, nil
	}
	var newest []archive.StoredEvent
	page := operation.PageParams{Limit: paging.Max}
	for {
		got, err := e.api.List(ctx, page, events.SpanParams{})
		if err != nil {
			return nil, err
		}
		newest = append(newest, got.Items...)
		if page.Cursor = got.NextCursor; page.Cursor == "" || len(newest) >= seenEvents {
			break
		}
	}
	e.at, e.events = time.Now(), newest
	return newest, nil
}

// Matching says how many of the events a set of patterns chooses, their subjects with the most frequent first, and the newest.
func Matching(events []archive.StoredEvent, patterns []string) (n int, subjects []Count, newest *archive.StoredEvent) {
	counts := make(map[string]int)
	for i := range events {
		if !topology.MatchesAny(events[i].Subject, patterns) {
			continue
		}
		n++
		counts[events[i].Subject]++
		if newest == nil {
			newest = &events[i]
		}
	}
	return n, sorted(counts), newest
}

// Count is how many events a subject has.
type Count struct {
	Subject string
	Count   int
}

func sorted(counts map[string]int) (all []Count) {
	for subject, n := range counts {
		all = append(all, Count{subject, n})
	}
	slices.SortFunc(all, func(a, b Count) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Subject, b.Subject))
	})
	return all
}

// Node is a part of the tree of subjects: one subject, or all below a common beginning.
type Node struct {
	Label, Pattern string
	Count          int
	Chosen         bool
	Below          []*Node
	Hidden         int // more below it than the tree shows
}

// maxBelow bounds what the tree shows in one place: subjects may hold ids.
const maxBelow = 25

// Tree arranges subjects with their counts, and marks those that are chosen.
func Tree(events []archive.StoredEvent, chosen []string) []*Node {
	counts := make(map[string]int)
	for i := range events {
		counts[events[i].Subject]++
	}
	var all []subjectPath
	for subject, n := range counts {
		all = append(all, subjectPath{strings.Split(subject, "."), n})
	}
	root := &Node{}
	root.grow(all, 0, chosen)
	return root.Below
}

// subjectPath is a subject in its tokens.
type subjectPath struct {
	tokens []string
	count  int
}

// grow adds what is below a node: paths that have the tokens before depth in common.
func (n *Node) grow(paths []subjectPath, depth int, chosen []string) {
	groups := make(map[string][]subjectPath)
	for _, p := range paths {
		token := "" // it ends here
		if len(p.tokens) > depth {
			token = p.tokens[depth]
		}
		groups[token] = append(groups[token], p)
	}
	for token, group := range groups {
		first := group[0].tokens
		below := &Node{Label: strings.Join(first[min(depth, len(first)):], "."), Pattern: strings.Join(first, ".")}
		for _, p := range group {
			below.Count += p.count
		}
		if token == "" {
			below.Label = first[len(first)-1] + " itself"
		}
		if len(group) > 1 {
			end := depth + 1
			for !forks(group, end) {
				end++
			}
			below.Label, below.Pattern = strings.Join(first[depth:end], "."), strings.Join(first[:end], ".")+".>"
			below.grow(group, end, chosen)
		}
		below.Chosen = slices.Contains(chosen, below.Pattern)
		n.Below = append(n.Below, below)
	}
	slices.SortFunc(n.Below, func(a, b *Node) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Pattern, b.Pattern))
	})
	if len(n.Below) > maxBelow {
		n.Hidden = len(n.Below) - maxBelow
		n.Below = n.Below[:maxBelow]
	}
}

// forks reports whether paths part, or one ends, at a depth.
func forks(group []subjectPath, depth int) bool {
	return slices.ContainsFunc(group, func(p subjectPath) bool {
		return len(p.tokens) <= depth || p.tokens[depth] != group[0].tokens[min(depth, len(group[0].tokens)-1)]
	})
}

// Patterns are the patterns that a tree offers.
func Patterns(tree []*Node) (all []string) {
	for _, n := range tree {
		all = append(append(all, n.Pattern), Patterns(n.Below)...)
	}
	return all
}

// Types suggests the types of events that were sent by services.
func Types(events []archive.StoredEvent) []frame.Option {
	counts := make(map[string]int)
	for i := range events {
		if strings.HasPrefix(events[i].Subject, topology.EventsPrefix) {
			counts[events[i].Type]++
		}
	}
	return suggested(counts)
}

// Subjects suggests subjects that were seen.
func Subjects(events []archive.StoredEvent) []frame.Option {
	counts := make(map[string]int)
	for i := range events {
		counts[events[i].Subject]++
	}
	return suggested(counts)
}

// suggested suggests what was counted, the most frequent first.
func suggested(counts map[string]int) (options []frame.Option) {
	for _, c := range sorted(counts) {
		if len(options) == frame.MostSuggested {
			break
		}
		options = append(options, frame.Option{Value: c.Subject, Label: format.Plural(c.Count, "event", "events") + " of late"})
	}
	return options
}
