// Package follow delivers what the cursors of lagging endpoints bring, in this process.
//
// One follower for each record (see package cursor) does what the record asks for: it settles a phase that divides nothing,
// takes the cursor's events at the pace of the endpoint's lane, and lets an endpoint that keeps up join the shared intake
// again. The package makes no attempt and stores no outcome.
package follow

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"jethook/consume/cursor"
	"jethook/consume/endpoint"
	"jethook/consume/missed"
	"jethook/publish/topology"
)

const (
	// drainingAtOnce is how many cursors ask for events at once in one process: a thousand would starve each other.
	drainingAtOnce = 64
	// calm is how long an endpoint has kept up before it joins the shared intake again.
	calm = 2 * time.Second
)

// Endpoints are the endpoints as this process has heard of them, and as the bucket has them: an [registry.Registry].
type Endpoints interface {
	Lookup(id string) (*endpoint.Endpoint, bool)
	IsUnreadable(id string) bool
	Get(ctx context.Context, id string) (endpoint.Endpoint, error)
	HasLeft(ctx context.Context, id, stream string) (bool, error)
}

// Lane is an endpoint's: it says how much the endpoint takes.
type Lane interface {
	// Wants returns how many events the lane wants, and what is closed when it wants more.
	Wants() (n int, more <-chan struct{})
	IsFull() bool
	// HoldsShared returns how many events of a stream came by the shared intake and may yet be left to the cursor.
	HoldsShared(stream string) int
}

// Intake holds the messages that a cursor brings.
type Intake interface {
	// Opened is told that the consumer was opened. What was stored before a time may have been handed out, or delivered.
	Opened(since time.Time, reconnects uint64)
	// Hold keeps a message from other processes. Nil: it is worked on already.
	Hold(jetstream.Msg) (m Message, place uint64)
}

// Message is one that an Intake holds.
type Message interface {
	// Admit waits until the records are as current as the message, and until there is room for it.
	Admit(context.Context) error
	// Deliver hands the event to the endpoint's lane, unless it has its outcome.
	Deliver(context.Context)
	// PassOver ends a message of which somebody was about to make the delivery due, once it is.
	PassOver(context.Context)
	End(Ending)
}

// Ending is how a message ends.
type Ending int

// The endings.
const (
	GiveBack Ending = iota // it comes again
	Settle                 // it is acknowledged
	Leave                  // it is neither
)

// Settings are what Followers need.
type Settings struct {
	Cursors   *cursor.Table
	Endpoints Endpoints
	Missed    *missed.Counter
	Lane      func(*endpoint.Endpoint) Lane
	Intake    func(cursor.Key) Intake
	// Unbroken tells since when the connection of a stream has held without a break, and how often it was restored.
	Unbroken func(stream string) (since time.Time, reconnects uint64)
	Log      *slog.Logger
	Calm     time.Duration // for how long an endpoint keeps up before it joins the shared intake again; 0: 2 s
}

// Followers are those of all records in this process. They are safe for concurrent use.
type Followers struct {
	Settings
	draining *semaphore.Weighted

	mu  sync.Mutex // guards which there are
	all sync.Map   // of *follower, by the key of its record
}

// New returns Followers of which none has begun.
func New(s Settings) *Followers {
	if s.Calm == 0 {
		s.Calm = calm
	}
	return &Followers{Settings: s, draining: semaphore.NewWeighted(drainingAtOnce)}
}

// Change follows a change of a record: a new one gets its follower, which runs in g until the record is removed or ctx ends.
func (s *Followers) Change(ctx context.Context, g *errgroup.Group, key cursor.Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f, ok := s.all.Load(key); ok {
		f.(*follower).wake()
		return
	}
	if s.Cursors.Of(key) == nil {
		return
	}
	f := newFollower(s, key)
	s.all.Store(key, f)
	g.Go(func() error {
		f.run(ctx)
		return nil
	})
}

// Wake tells the followers of an endpoint that it has changed.
func (s *Followers) Wake(id string) {
	for _, stream := range topology.EventStreams {
		if f, ok := s.all.Load(cursor.Key{Endpoint: id, Stream: stream}); ok {
			f.(*follower).wake()
		}
	}
}

// Intakes calls each with the intakes that there are.
func (s *Followers) Intakes(each func(Intake)) {
	for _, f := range s.all.Range {
		each(f.(*follower).in)
	}
}

// end ends a follower, unless there is a record again.
func (s *Followers) end(f *follower) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Cursors.Of(f.key) != nil {
		return false
	}
	s.all.Delete(f.key)
	return true
}
