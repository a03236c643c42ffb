package eventlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"jethook/config"
	"jethook/publish/aside"
	"jethook/publish/connection"
	"jethook/publish/failure"
	"jethook/publish/query"
)

// feedAhead is how many messages of a stream lie ready beyond the one that is handled.
const feedAhead = 16

// Feed gives the events of a bus as they come to somebody who only watches: it makes no streams, acknowledges
// nothing, and leaves nothing behind.
type Feed struct {
	conn *connection.Conn
	log  *slog.Logger
}

// OpenFeed connects to the bus at cfg.NATSURL with cfg's login.
func OpenFeed(cfg *config.Config, log *slog.Logger) (*Feed, error) {
	conn, err := connection.Open(cfg, nil, cfg.NATSToken.Reveal, "listen", &connection.Shared{}, log)
	if err != nil {
		return nil, err
	}
	return &Feed{conn, log}, nil
}

// Close closes the connection.
func (f *Feed) Close() { f.conn.Conn.Close() }

// ErrNoStream means that a bus lacks a stream of Jethook's.
var ErrNoStream = errors.New("stream not found; no Jethook has used this NATS server")

// Follow gives handle each event that a subject pattern names (see [query.EventsOn]), one after the other, until ctx
// ends or handle fails: those stored since a time, or from now on if it is zero. Within a stream the order is kept,
// and an event that comes while the connection is away is given when it is back. ready is called when no event
// that is stored from then on will be missed. The end of ctx is no error.
func (f *Feed) Follow(ctx context.Context, pattern string, since time.Time, ready func(), handle func(*Head) error) error {
	selections, err := query.EventsOn(pattern)
	if err != nil {
		return err
	}
	consumers := make([]jetstream.Consumer, len(selections))
	for i, sel := range selections {
		if consumers[i], err = f.consumer(ctx, sel, since); err != nil {
			return err
		}
	}
	ready()
	g, gctx := errgroup.WithContext(ctx)
	heads := make(chan *Head)
	for i, c := range consumers {
		g.Go(func() error { return pump(gctx, c, selections[i].Stream, heads) })
	}
	g.Go(func() error {
		for {
			select {
			case h := <-heads:
				if !f.complete(gctx, h) {
					continue
				}
				if err := handle(h); err != nil {
					return err
				}
			case <-gctx.Done():
				return nil
			}
		}
	})
	if err := g.Wait(); ctx.Err() == nil {
		return err
	}
	return nil
}

// bodyPause is the pause after a body could not be asked for.
const bodyPause = time.Second

// complete gives an event its body, if that is stored aside. It waits while the bus can't be asked for it, and returns
// false when there is none, or ctx ends.
func (f *Feed) complete(ctx context.Context, h *Head) bool {
	for {
		err := aside.Complete(ctx, f.conn, &h.Event)
		switch {
		case err == nil:
			return true
		case ctx.Err() != nil:
			return false
		case errors.Is(err, failure.ErrBodyGone):
			f.log.Warn("skipping an event", "id", h.ID, "subject", h.Subject, "error", err)
			return false
		}
		f.log.Warn("cannot read a body; retrying", "id", h.ID, "error", err)
		select {
		case <-time.After(bodyPause):
		case <-ctx.Done():
		}
	}
}

// consumer opens a consumer of a selection that keeps its place across connections.
func (f *Feed) consumer(ctx context.Context, sel query.Selection, since time.Time) (jetstream.Consumer, error) {
	stream, err := f.conn.JS.Stream(ctx, sel.Stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, fmt.Errorf("opening %s: %w", sel.Stream, ErrNoStream)
	}
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", sel.Stream, failure.Classify(err))
	}
	cfg := jetstream.OrderedConsumerConfig{FilterSubjects: []string{sel.Subject}}
	if since.IsZero() {
		// A sequence, and not "new": when the connection is lost before the first event, that would begin anew.
		cfg.DeliverPolicy, cfg.OptStartSeq = jetstream.DeliverByStartSequencePolicy, stream.CachedInfo().State.LastSeq+1
	} else {
		cfg.DeliverPolicy, cfg.OptStartTime = jetstream.DeliverByStartTimePolicy, &since
	}
	c, err := stream.OrderedConsumer(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", sel.Stream, failure.Classify(err))
	}
	return c, nil
}

// pump hands the messages of a consumer over until ctx ends.
func pump(ctx context.Context, c jetstream.Consumer, stream string, heads chan<- *Head) error {
	messages, err := c.Messages(jetstream.PullMaxMessages(feedAhead))
	if err != nil {
		return fmt.Errorf("reading %s: %w", stream, failure.Classify(err))
	}
	defer messages.Stop()
	// While the connection is away only this ends the wait.
	defer context.AfterFunc(ctx, messages.Stop)()
	for {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading %s: %w", stream, failure.Classify(err))
		}
		meta, err := m.Metadata()
		if err != nil {
			return fmt.Errorf("reading an event's place: %w", err)
		}
		body := m.Data()
		if body == nil {
			body = []byte{}
		}
		h := headOf(m.Subject(), m.Headers(), body, stream, meta.Sequence.Stream, meta.Timestamp)
		h.Header = ownHeaders(m.Headers())
		select {
		case heads <- &h:
		case <-ctx.Done():
			return nil
		}
	}
}
