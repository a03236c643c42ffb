package connection

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// JetStream error codes of a cluster that is not whole yet, or has not heard of its servers.
const (
	codeIncomplete   = 10004
	codeNoPeers      = 10005
	codeNotAssigned  = 10007
	codeNotAvailable = 10008
	codeNotLeader    = 10009
	codeOffline      = 10118
	// codeStreamNotFound is, of what is made when it is missing, the answer of a server that has not heard of what another
	// process made just now.
	codeStreamNotFound = 10059
)

// attemptTime is how long one attempt may take.
const attemptTime = 5 * time.Second

const leastPause, mostPause = 250 * time.Millisecond, 5 * time.Second

// Patience opens a store that can't serve it yet: a cluster that is forming, that elects a leader, or that many
// processes ask at once.
type Patience struct {
	log   *slog.Logger
	limit time.Duration // of each wait; 0: there is none
	said  string        // what was logged last
}

// NewPatience returns one without an end that says in a log what it waits for.
func NewPatience(log *slog.Logger) *Patience { return &Patience{log: log} }

// NewBoundedPatience returns one for commands, whose operator waits too: each wait ends after a time.
func NewBoundedPatience(log *slog.Logger, limit time.Duration) *Patience {
	return &Patience{log: log, limit: limit}
}

// ErrNotYet means that waiting may mend it.
var ErrNotYet = errors.New("not there yet")

// ErrNoPatience means that what was waited for has not come in time.
var ErrNoPatience = errors.New("gave up")

// Await calls do until it succeeds, and returns its error when ctx ends, when patience does, or when waiting does not mend it. Each
// call has five seconds. It logs what it waits for, once for each cause.
func (p *Patience) Await(ctx context.Context, what string, do func(context.Context) error) error {
	var over <-chan time.Time
	if p.limit > 0 {
		over = time.After(p.limit)
	}
	for pause := leastPause; ; pause = min(2*pause, mostPause) {
		err := p.attempt(ctx, do)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil && !Passes(err) {
			return err
		}
		if ctx.Err() == nil {
			p.say(what, err)
		}
		select {
		case <-time.After(pause/2 + rand.N(pause/2)):
		case <-over:
			return fmt.Errorf("waiting for %s: %w after %s: %w", what, ErrNoPatience, p.limit, err)
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w: %w", what, ctx.Err(), err)
		}
	}
}

func (p *Patience) attempt(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	return do(ctx)
}

func (p *Patience) say(what string, err error) {
	if said := what + err.Error(); said != p.said {
		p.said = said
		p.log.Warn("waiting for "+what, "error", err)
	}
}

// Passes reports whether err may be gone in a while.
func Passes(err error) bool {
	if refusal, ok := errors.AsType[*jetstream.APIError](err); ok {
		switch refusal.ErrorCode {
		case codeIncomplete, codeNoPeers, codeNotAssigned, codeNotAvailable, codeNotLeader, codeOffline, codeStreamNotFound:
			return true
		}
		return false
	}
	for _, passes := range []error{
		context.DeadlineExceeded, nats.ErrTimeout, nats.ErrDisconnected, nats.ErrConnectionReconnecting,
		nats.ErrReconnectBufExceeded, jetstream.ErrBucketNotFound, ErrNotYet,
	} {
		if errors.Is(err, passes) {
			return true
		}
	}
	return false
}
