package registry

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/nats-io/nats-server/v2/server/gsl"

	"jethook/consume/endpoint"
)

// index finds the endpoints that subscribed to a subject without looking at the others.
type index struct {
	mu       sync.RWMutex // guards byID, removed and enabled; the sublist locks itself
	byID     map[string]*endpoint.Endpoint
	removed  map[string]uint64 // revisions that removed an endpoint: news of before that come late are none
	enabled  int
	patterns *gsl.GenericSublist[*endpoint.Endpoint]
}

func newIndex() *index {
	return &index{byID: make(map[string]*endpoint.Endpoint), removed: make(map[string]uint64), patterns: gsl.NewSublist[*endpoint.Endpoint]()}
}

// put makes e the current state of its endpoint and returns the one before, if any. A state that is not newer
// than the known one changes nothing, and news is false, unless that is of the revision lost. The new patterns are in force
// before the old ones go, so that no event falls in between.
func (x *index) put(e *endpoint.Endpoint, lost uint64) (before *endpoint.Endpoint, news bool, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	before = x.byID[e.ID]
	latest := x.latest(e.ID)
	if before != nil && e.Revision == before.Revision || e.Revision <= latest && latest != lost {
		return before, false, nil
	}
	delete(x.removed, e.ID)
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

// latest is the last revision of an endpoint that is known, with that of its removal; 0: none.
func (x *index) latest(id string) uint64 {
	if e := x.byID[id]; e != nil {
		return max(e.Revision, x.removed[id])
	}
	return x.removed[id]
}

// revisions returns the last revision that is known of each endpoint.
func (x *index) revisions() map[string]uint64 {
	x.mu.RLock()
	defer x.mu.RUnlock()
	all := maps.Clone(x.removed)
	for id := range x.byID {
		all[id] = x.latest(id)
	}
	return all
}

// remove forgets an endpoint as of a revision and returns its last state, if any.
func (x *index) remove(id string, revision uint64) (before *endpoint.Endpoint, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	before = x.byID[id]
	delete(x.byID, id)
	x.removed[id] = max(revision, x.removed[id])
	return before, x.drop(before)
}

func (x *index) drop(e *endpoint.Endpoint) error {
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

func (x *index) get(id string) (*endpoint.Endpoint, bool) {
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
func (x *index) match(subject string) []*endpoint.Endpoint {
	var found []*endpoint.Endpoint
	x.patterns.Match(subject, func(e *endpoint.Endpoint) { found = append(found, e) })
	if len(found) < 2 {
		return found
	}
	// Several patterns of one endpoint, or its old and its new state during a change, may match.
	slices.SortFunc(found, func(a, b *endpoint.Endpoint) int {
		if a.ID != b.ID {
			return strings.Compare(a.ID, b.ID)
		}
		return b.UpdatedAt.Compare(a.UpdatedAt)
	})
	return slices.CompactFunc(found, func(a, b *endpoint.Endpoint) bool { return a.ID == b.ID })
}

// all returns every endpoint, the oldest first.
func (x *index) all() []*endpoint.Endpoint {
	x.mu.RLock()
	defer x.mu.RUnlock()
	out := make([]*endpoint.Endpoint, 0, len(x.byID))
	for _, e := range x.byID {
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b *endpoint.Endpoint) int {
		if c := a.CreatedAt.Compare(b.CreatedAt); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return out
}
