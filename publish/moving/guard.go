package moving

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"jethook/publish/connection"
	"jethook/publish/failure"
	"jethook/publish/outage"
)

// Guard keeps a process from changing a store that is being moved, but for what it receives. Its methods may be called
// concurrently.
type Guard struct {
	conn *connection.Conn
	log  *slog.Logger

	mu      sync.Mutex // guards what follows
	mark    *Mark
	inside  int           // those who may change the store
	changed chan struct{} // closed when the mark changes; replaced at once
}

// Open returns a guard that knows the mark of this moment. The error is [failure.ErrMoved] where nothing may start any more.
func Open(ctx context.Context, conn *connection.Conn, log *slog.Logger) (*Guard, error) {
	g := &Guard{conn: conn, log: log, changed: make(chan struct{})}
	if err := g.look(ctx); err != nil {
		return nil, err
	}
	if g.mark != nil && g.mark.Phase == Moved {
		return nil, fmt.Errorf("%w: it is on %s now; set JETHOOK_NATS_URL to that, or remove JETHOOK_DATA_DIR to begin anew", failure.ErrMoved, g.mark.To)
	}
	return g, nil
}

// look takes over the mark.
func (g *Guard) look(ctx context.Context) error {
	m, err := Read(ctx, g.conn.JS)
	if err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	before := g.mark
	if g.mark = m; before.holds() != m.holds() || m.holds() && before.Phase != m.Phase {
		close(g.changed)
		g.changed = make(chan struct{})
		if m.holds() {
			g.log.Warn("the store is being moved: receiving goes on, deliveries and changes wait", "to", m.To, "phase", m.Phase)
		} else {
			g.log.Info("the store is not being moved any more; going on")
		}
	}
	return nil
}

// lookPause is the pause before the mark is looked for again when that failed, or while the store is marked: who changed it
// may have been killed before it told.
const lookPause = time.Second

// Watch takes over each new mark until ctx ends.
func (g *Guard) Watch(ctx context.Context) error {
	told := make(chan struct{}, 1)
	sub, err := g.conn.Subscribe(news, func(*nats.Msg) {
		select {
		case told <- struct{}{}:
		default:
		}
	})
	if err != nil {
		return fmt.Errorf("subscribing to %s: %w", news, failure.Classify(err))
	}
	defer sub.Unsubscribe() //nolint:errcheck // the connection ends soon
	again := time.After(0)  // it may have come since the guard was opened
	looking := outage.Outage{Fails: "cannot see whether the store is being moved; retrying", Works: "seeing again whether the store is being moved"}
	for back := g.conn.Restored(); ; {
		select {
		case <-ctx.Done():
			return nil
		case <-back: // the server was away, and with it what it would have told
			back = g.conn.Restored()
		case <-told:
		case <-again:
		}
		err := g.look(ctx)
		if ctx.Err() == nil {
			looking.Tell(g.log, err)
		}
		if again = nil; err != nil || g.holds() {
			again = time.After(lookPause)
		}
	}
}

func (g *Guard) holds() bool {
	m, _ := g.Moving()
	return m != nil
}

// Moving returns the mark of a store that is being moved; nil: it is not. The channel is closed when that changes.
func (g *Guard) Moving() (*Mark, <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.mark.holds() {
		return nil, g.changed
	}
	return g.mark, g.changed
}

// Enter lets somebody change the store until leave is called. The error is [failure.ErrMoving].
func (g *Guard) Enter() (leave func(), err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mark.holds() {
		return nil, fmt.Errorf("%w: to %s", failure.ErrMoving, g.mark.To)
	}
	g.inside++
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.inside--
	}, nil
}

// Yields reports whether this process knows that the store is being moved, and nobody in it changes it any more.
func (g *Guard) Yields() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.mark.holds() && g.inside == 0
}
