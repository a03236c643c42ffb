// Package order delivers to ordered endpoints: from each stream one event at a time, and each only after nothing of that
// endpoint waits any more.
//
// Every process follows every ordered endpoint by a consumer that they share, of which the server hands out one message at a
// time. The package makes no attempt and stores no outcome: it decides whose turn it is.
package order

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"jethook/consume/endpoint"
	"jethook/consume/registry"
	"jethook/publish/pull"
	"jethook/publish/topology"
)

// Endpoints are the endpoints as this process has heard of them, and as the bucket has them: an [registry.Registry].
type Endpoints interface {
	All() []*endpoint.Endpoint
	Lookup(id string) (*endpoint.Endpoint, bool)
	Get(ctx context.Context, id string) (endpoint.Endpoint, error)
	HasLeft(ctx context.Context, id, stream string) (bool, error)
}

// Consumers are the consumers of ordered endpoints.
type Consumers interface {
	// Open opens an endpoint's consumer on a stream. A missing one begins with what was stored since a time.
	Open(ctx context.Context, stream, id string, patterns []string, since time.Time) (Source, error)
	// Drop removes a consumer, and the endpoint's place in the stream with it.
	Drop(context.Context, pull.Own) error
}

// Source brings one message after the other.
type Source interface {
	// Next returns the next message; nil when none came in a while, or when ctx ends first.
	Next(ctx context.Context) (jetstream.Msg, error)
	Close()
}

// Intake holds the messages of one endpoint from one stream that this process works on.
type Intake interface {
	// Opened is told that the consumer was opened: what was stored before may have been handed out.
	Opened()
	// Hold keeps a message from other processes, and waits for room for it. Nil: it is worked on already, or was given back
	// since ctx ended first.
	Hold(ctx context.Context, m jetstream.Msg) Message
}

// Message is one that an Intake holds.
type Message interface {
	// IsWanted reports whether the endpoint has yet to get the event. If not, the message has ended or comes again.
	IsWanted(context.Context) bool
	// Deliver hands the event to the endpoint's lane. It does not wait for the outcome.
	Deliver(context.Context)
	// IsHeld reports whether the message has yet to end.
	IsHeld() bool
	// GiveBack lets the message come again: at once, or if something failed after a moment.
	GiveBack(failed error)
}

// Settings are what Sequences need.
type Settings struct {
	Endpoints Endpoints
	Consumers Consumers
	Intake    func(stream, id string) Intake                           // of an endpoint's messages from a stream
	Idle      func(ctx context.Context, endpoint string) (bool, error) // whether nothing of an endpoint waits
	Log       *slog.Logger
}

// Sequences are those of all ordered endpoints in this process. They are safe for concurrent use.
type Sequences struct {
	Settings
	all sync.Map // of *sequence, by the id of the endpoint
}

// New returns Sequences of which none has begun.
func New(s Settings) *Sequences { return &Sequences{Settings: s} }

// Start begins the sequences of the endpoints that there are. They run in g until ctx ends.
func (s *Sequences) Start(ctx context.Context, g *errgroup.Group) {
	for _, ep := range s.Endpoints.All() {
		s.begin(ctx, g, ep)
	}
}

func (s *Sequences) begin(ctx context.Context, g *errgroup.Group, ep *endpoint.Endpoint) {
	if !ep.Ordered {
		return
	}
	q := newSequence(ctx, s, ep.ID)
	if _, running := s.all.LoadOrStore(ep.ID, q); running {
		return
	}
	for i, stream := range topology.EventStreams {
		g.Go(func() error {
			q.follow(stream, q.intakes[i])
			// When the process stops, what is in flight is still kept by way of the sequence.
			if q.following.Add(-1) == 0 && ctx.Err() == nil {
				s.all.Delete(q.id)
			}
			return nil
		})
	}
}

// Change lets an endpoint's sequence follow a change of the registry.
func (s *Sequences) Change(ctx context.Context, g *errgroup.Group, c registry.Change) {
	switch {
	case c.Before == nil:
		s.begin(ctx, g, c.After)
		return
	case c.After != nil && c.Before.Disabled == c.After.Disabled && slices.Equal(c.Before.Events, c.After.Events):
		return
	}
	if q := s.of(c.Before.ID); q != nil {
		q.renew()
	}
}

// Ended tells that a delivery or a message of an endpoint has ended.
func (s *Sequences) Ended(id string) {
	if q := s.of(id); q != nil {
		q.wake()
	}
}

func (s *Sequences) of(id string) *sequence {
	q, _ := s.all.Load(id)
	found, _ := q.(*sequence)
	return found
}

// Intakes calls each with the intakes that there are.
func (s *Sequences) Intakes(each func(Intake)) {
	for _, q := range s.all.Range {
		for _, in := range q.(*sequence).intakes {
			each(in)
		}
	}
}
