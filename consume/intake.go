package consume

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/semaphore"

	"jethook/publish"
)

const (
	// fetchMessages and fetchBytes bound one request for messages; ahead is how many may lie ready beyond it.
	fetchMessages = 256
	fetchBytes    = 16 << 20
	ahead         = 2 * fetchMessages
	// fetchWait is how long an idle request for messages stays open.
	fetchWait = 10 * time.Second
	// retryFetch is the pause after a failed request for messages.
	retryFetch = 250 * time.Millisecond
	// heartbeat is how often the bus is told that what is held is still being worked on.
	heartbeat = publish.AckWait / 3
)

// intake takes messages off one stream and keeps those it holds from being given to another process.
type intake struct {
	consumer jetstream.Consumer
	submit   func(context.Context, *held)
	log      *slog.Logger

	ready  chan *held
	credit *semaphore.Weighted // of places in ready

	mu   sync.Mutex // guards held
	held map[uint64]*held
}

// held is one message that this process works on. It is acknowledged once all its parts have an outcome that
// is stored.
type held struct {
	msg   jetstream.Msg
	seq   uint64
	again bool // the message was given out before: a part of it may have its outcome
	in    *intake
	parts atomic.Int32
	ended func() // called after the last part
}

func newIntake(c jetstream.Consumer, submit func(context.Context, *held), log *slog.Logger) *intake {
	return &intake{
		consumer: c, submit: submit, log: log,
		ready:  make(chan *held, ahead),
		credit: semaphore.NewWeighted(ahead),
		held:   make(map[uint64]*held),
	}
}

// fetch takes messages as long as there is room for them, until ctx ends. Then it gives back what nobody
// works on, so that another process has it at once.
func (in *intake) fetch(ctx context.Context) error {
	defer close(in.ready)
	for {
		if in.credit.Acquire(ctx, fetchMessages) != nil {
			return nil
		}
		n, err := in.fetchOnce(ctx)
		in.credit.Release(int64(fetchMessages - n))
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			in.log.Debug("fetching failed", "error", err)
			select {
			case <-time.After(retryFetch):
			case <-ctx.Done():
				return nil
			}
		}
	}
}

func (in *intake) fetchOnce(ctx context.Context) (n int, err error) {
	ctx, cancel := context.WithTimeout(ctx, fetchWait)
	defer cancel()
	batch, err := in.consumer.Fetch(fetchMessages, jetstream.FetchContext(ctx), jetstream.FetchMaxBytes(fetchBytes))
	if err != nil {
		return 0, err
	}
	for m := range batch.Messages() {
		if h := in.hold(m); h != nil {
			n++
			in.ready <- h
		}
	}
	if ctx.Err() != nil { // idle for the whole time
		return n, nil
	}
	return n, batch.Error()
}

// hold registers a message. It returns nil for a copy of one that is being worked on already: the outcome of
// that work answers for both.
func (in *intake) hold(m jetstream.Msg) *held {
	meta, err := m.Metadata()
	if err != nil {
		in.log.Error("message without a place", "subject", m.Subject(), "error", err)
		return nil
	}
	h := &held{msg: m, seq: meta.Sequence.Stream, again: meta.NumDelivered > 1, in: in}
	in.mu.Lock()
	defer in.mu.Unlock()
	if _, twice := in.held[h.seq]; twice {
		return nil
	}
	in.held[h.seq] = h
	return h
}

// dispatch hands the messages on, in the order of the stream. When ctx has ended it gives them back.
func (in *intake) dispatch(ctx context.Context) error {
	for h := range in.ready {
		if ctx.Err() != nil {
			h.giveBack()
		} else {
			in.submit(ctx, h)
		}
		in.credit.Release(1)
	}
	return nil
}

// keep tells the bus regularly that what is held is being worked on, until ctx ends.
func (in *intake) keep(ctx context.Context) error {
	t := time.NewTicker(heartbeat)
	defer t.Stop()
	var working []*held
	for {
		select {
		case <-t.C:
		case <-ctx.Done():
			return nil
		}
		// What came since the last beat is young enough to wait for the next one.
		for _, h := range working {
			if in.holds(h) {
				h.msg.InProgress() //nolint:errcheck // without a connection nothing can be told
			}
		}
		working = in.snapshot(working[:0])
	}
}

func (in *intake) holds(h *held) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.held[h.seq] == h
}

func (in *intake) snapshot(into []*held) []*held {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, h := range in.held {
		into = append(into, h)
	}
	return into
}

// split says of how many parts the message consists and what to call after the last of them. It is called
// once, before any part is done.
func (h *held) split(parts int, ended func()) {
	h.parts.Store(int32(parts))
	h.ended = ended
}

// done ends one part; the last one acknowledges the message.
func (h *held) done() {
	if h.parts.Add(-1) == 0 {
		h.settle()
		h.ended()
	}
}

// settle acknowledges the message. If that gets lost, the message comes again and what is stored is found.
func (h *held) settle() {
	if err := h.msg.Ack(); err != nil {
		h.in.log.Warn("acknowledging failed", "subject", h.msg.Subject(), "error", err)
	}
	h.release()
}

// giveBack returns the message to the bus, which gives it out again at once.
func (h *held) giveBack() {
	if err := h.msg.Nak(); err != nil {
		h.in.log.Debug("giving back failed", "subject", h.msg.Subject(), "error", err)
	}
	h.release()
}

func (h *held) release() {
	h.in.mu.Lock()
	delete(h.in.held, h.seq)
	h.in.mu.Unlock()
}
