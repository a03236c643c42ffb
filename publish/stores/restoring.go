package stores

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"jethook/config"
	"jethook/publish/connection"
	"jethook/publish/embedded"
	"jethook/publish/topology"
)

// Restoring is a store that takes the streams of a backup. Until [Restoring.Finish] nothing starts from it.
type Restoring struct {
	Store
	Patience *connection.Patience        // for what is done with it
	Limits   map[string]topology.Limit   // of the streams there, by stream; nil: as they were
	clear    func(context.Context) error // removes what an attempt has left; nil: there is one attempt
	finish   func(context.Context) error
}

// Finish puts what was restored in its place. Close must be called too.
func (r *Restoring) Finish(ctx context.Context) error { return r.finish(ctx) }

// formTime is how long a restore waits for a cluster that is forming, or that elects a leader.
const formTime = 2 * time.Minute

// BeginRestore prepares a restore: of the embedded store in a new one beside the old one, which Finish replaces; of a cluster
// by removing streams. What is there already it replaces only with force, or if an earlier restore has left it. It waits two minutes for
// a cluster that is forming, and so does what is done with it.
func BeginRestore(ctx context.Context, cfg *config.Config, streams []string, force bool, log *slog.Logger) (*Restoring, error) {
	if cfg.NATSURL != "" {
		return restoreCluster(ctx, cfg, streams, force, log)
	}
	return restoreEmbedded(ctx, cfg, force, log)
}

func restoreEmbedded(ctx context.Context, cfg *config.Config, force bool, log *slog.Logger) (*Restoring, error) {
	r, err := embedded.BeginRestore(ctx, cfg, force, log)
	if err != nil {
		return nil, err
	}
	return &Restoring{
		Store:    Store{Conn: r.Conn, Replicas: 1, close: r.Close},
		Patience: connection.NewBoundedPatience(log, formTime),
		finish:   func(context.Context) error { return r.Finish() },
	}, nil
}

// mostAttempts is how often a restore begins anew that a cluster has interrupted.
const mostAttempts = 5

// Attempt calls do, which restores, and calls it again from the start if a server of the cluster went away in the middle: nobody else
// has what it was told.
func (r *Restoring) Attempt(ctx context.Context, say func(format string, values ...any), do func() error) error {
	for n := 1; ; n++ {
		err := do()
		if _, interrupted := errors.AsType[*Interruption](err); !interrupted || r.clear == nil || ctx.Err() != nil {
			return err
		}
		if n == mostAttempts {
			return fmt.Errorf("the cluster interrupted it %d times: %w", n, err)
		}
		say("the cluster interrupted it; beginning anew: %v", err)
		if err := r.clear(ctx); err != nil {
			return err
		}
	}
}

// Interruption is an error of a store in the middle of a stream. Nothing but another attempt mends it.
type Interruption struct{ Err error }

func (i *Interruption) Error() string { return i.Err.Error() }

// Unwrap returns the cause.
func (i *Interruption) Unwrap() error { return i.Err }
