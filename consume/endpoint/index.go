package endpoint

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/nats-io/nats-server/v2/server/gsl"
)

// index finds the endpoints that subscribed to a subject without looking at the others.
type index struct {
	mu       sync.RWMutex // guards byID, removed and enabled; the sublist locks itself
	byID     map[string]*Endpoint
	removed  map[string]uint64 // revisions that removed an endpoint: news of before that come late are none
	enabled  int
	patterns *gsl.GenericSublist[*Endpoint]
}

func newIndex() *index {
	return &index{byID: make(map[string]*Endpoint), removed: make(map[string]uint64), patterns: gsl.NewSublist[*Endpoint]()}
}

// put makes e the current state of its endpoint and returns the one before, if any. A state that is not newer
// than the known one changes nothing, and news is false. The new patterns are in force before the old ones go,
// so that no event falls in between.
func (x *index) put(e *Endpoint) (before *Endpoint, news bool, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	before = x.byID[e.ID]
	if e.Revision <= x.removed[e.ID] || before != nil && e.Revision <= before.Revision {
		return before, false, nil
	}
	x.byID[e.ID] = e
	if !e.Disabled {
		x.enabled++
	}
	for _, p := range e.Events {
		if err := x.patterns.Insert(p, e); err != nil {
			return before, true, fmt.Errorf("indexing pattern %q: %w", p, err)
		}
	}
	return before, true, x.drop(before)
}

// remove forgets an endpoint as of a revision and returns its last state, if any.
func (x *index) remove(id string, revision uint64) (before *Endpoint, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	before = x.byID[id]
	delete(x.byID, id)
	x.removed[id] = max(revision, x.removed[id])
	return before, x.drop(before)
}

func (x *index) drop(e *Endpoint) error {
	if e == nil {
		return nil
	}
	if !e.Disabled {
		x.enabled--
	}
	for _, p := range e.Events {
		if err := x.patterns.Remove(p, e); err != nil {
			return fmt.Errorf("removing pattern %q: %w", p, err)
		}
	}
	return nil
}

func (x *index) get(id string) (*Endpoint, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	e, ok := x.byID[id]
	return e, ok
}

func (x *index) enabledCount() int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.enabled
}

// match returns each endpoint once that has a pattern for subject, disabled ones too.
func (x *index) match(subject string) []*Endpoint {
	var found []*Endpoint
	x.patterns.Match(subject, func(e *Endpoint) { found = append(found, e) })
	if len(found) < 2 {
		return found
	}
	// Several patterns of one endpoint, or its old and its new state during a change, may match.
	slices.SortFunc(found, func(a, b *Endpoint) int {
		if a.ID != b.ID {
			return strings.Compare(a.ID, b.ID)
		}
		return b.UpdatedAt.Compare(a.UpdatedAt)
	})
	return slices.CompactFunc(found, func(a, b *Endpoint) bool { return a.ID == b.ID })
}

// all returns every endpoint, the oldest first.
func (x *index) all() []*Endpoint {
	x.mu.RLock()
	defer x.mu.RUnlock()
	out := make([]*Endpoint, 0, len(x.byID))
	for _, e := range x.byID {
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b *Endpoint) int {
		if c := a.CreatedAt.Compare(b.CreatedAt); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return out
}
