// Package names says what pages call endpoints, and shows deliveries by those names.
package names

import (
	"cmp"
	"time"

	"jethook/consume/dashboard/frame"
	"jethook/consume/deliveries"
	"jethook/consume/endpoint"
	"jethook/consume/registry"
)

// Names are those of the endpoints that a process keeps.
type Names struct {
	registry *registry.Registry // nil in a process that keeps none
	attempts int
}

// New returns the names of the endpoints in a registry, which may be nil. attempts is how many an endpoint without a schedule of its
// own makes.
func New(registry *registry.Registry, attempts int) *Names { return &Names{registry, attempts} }

// Of is what people call an endpoint; its id when it is gone or nameless.
func (n *Names) Of(id string) string {
	if e, ok := n.Lookup(id); ok {
		return cmp.Or(e.Name, id)
	}
	return id
}

// Lookup returns an endpoint; false: it is not known.
func (n *Names) Lookup(id string) (*endpoint.Endpoint, bool) {
	if n.registry == nil {
		return nil, false
	}
	return n.registry.Lookup(id)
}

// Kept reports whether the process keeps endpoints.
func (n *Names) Kept() bool { return n.registry != nil }

// Attempts is how many attempts an endpoint's schedule has; 0: it is not known.
func (n *Names) Attempts(id string) int {
	switch e, ok := n.Lookup(id); {
	case !ok:
		return 0
	case e.RetrySchedule != nil:
		return len(e.RetrySchedule) + 1
	default:
		return n.attempts
	}
}

// DisabledSince is when an endpoint was disabled; nil when that is not known.
func (n *Names) DisabledSince(id string) *time.Time {
	if e, ok := n.Lookup(id); ok && e.Disabled {
		return new(e.DisabledSince())
	}
	return nil
}

// Options suggests endpoints for a field that takes an id.
func (n *Names) Options() (options []frame.Option) {
	if n.registry == nil {
		return nil
	}
	for _, e := range n.registry.All() {
		if len(options) == frame.MostSuggested {
			break
		}
		options = append(options, frame.Option{Value: e.ID, Label: e.Name})
	}
	return options
}

// Row is a delivery with what its endpoint is called.
type Row struct {
	deliveries.Delivery
	Name string
	Last int // the last attempt of the schedule; 0: not known
}

// Rows are deliveries as lists show them.
func (n *Names) Rows(items []deliveries.Delivery) []Row {
	rows := make([]Row, len(items))
	for i := range items {
		rows[i] = Row{Delivery: items[i], Name: n.Of(items[i].Endpoint), Last: n.Attempts(items[i].Endpoint)}
	}
	return rows
}
