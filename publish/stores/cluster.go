package stores

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"jethook/config"
	"jethook/publish/connection"
	"jethook/publish/failure"
	"jethook/publish/processes"
	"jethook/publish/topology"
)

// OpenCluster is Open for a cluster that may not be there yet: it waits for two minutes.
func OpenCluster(ctx context.Context, cfg *config.Config, log *slog.Logger) (*Store, error) {
	within, cancel := context.WithTimeout(ctx, formTime)
	defer cancel()
	c, err := connection.Wait(within, cfg, nil, cfg.NATSToken.Reveal, "store", &connection.Shared{}, log)
	if err != nil && within.Err() != nil && ctx.Err() == nil {
		err = fmt.Errorf("waiting for the NATS cluster: %w after %s: %w", connection.ErrNoPatience, formTime, err)
	}
	if err != nil {
		return nil, err
	}
	return clusterStore(c, cfg, log), nil
}

// MoveKey is the key of the move's id in the metadata of WEBHOOKS.
const MoveKey = "jethook-move"

// clusterRestore prepares a cluster for a restore.
type clusterRestore struct {
	js       jetstream.JetStream
	patience *connection.Patience
	streams  []string
	replicas int
	// markBytes is what the mark of a restore may take; -1: it has no limit.
	markBytes int64
}

// markBytes is the limit of the mark in an account that requires one. Nothing is stored in it.
const markBytes = 1 << 10

func restoreCluster(ctx context.Context, cfg *config.Config, streams []string, force bool, log *slog.Logger) (_ *Restoring, err error) {
	c, s, err := openClusterRestore(ctx, cfg, log)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	ask, cancel := context.WithTimeout(ctx, processes.AskTime)
	defer cancel()
	if _, err := s.Conn.RequestWithContext(ask, processes.AskSubject, nil); !errors.Is(err, nats.ErrNoResponders) && !errors.Is(err, context.DeadlineExceeded) {
		return nil, errors.Join(failure.ErrRunning, err)
	}
	c.streams = streams
	if err := c.patience.Await(ctx, "JetStream", func(ctx context.Context) error { return c.mayReplace(ctx, force) }); err != nil {
		return nil, err
	}
	var room topology.Room
	if err := c.patience.Await(ctx, "JetStream", func(ctx context.Context) (err error) {
		room, err = topology.AskRoom(ctx, c.js, cfg.Replicas)
		return err
	}); err != nil {
		return nil, err
	}
	c.markBytes = -1
	if room.Required {
		c.markBytes = markBytes
	}
	if err := c.begin(ctx); err != nil {
		return nil, err
	}
	return &Restoring{Store: *s, Patience: c.patience, Limits: topology.Limits(cfg, room), clear: c.clear, finish: c.finish}, nil
}

// mayReplace is an error if the cluster holds what nobody has given up.
func (c *clusterRestore) mayReplace(ctx context.Context, force bool) error {
	unfinished, err := topology.IsRestoring(ctx, c.js)
	if err != nil {
		return fmt.Errorf("asking for stream %s: %w", topology.StreamRestoring, err)
	}
	for _, name := range c.streams {
		found, err := c.js.Stream(ctx, name)
		switch {
		case errors.Is(err, jetstream.ErrStreamNotFound):
		case err != nil:
			return fmt.Errorf("asking for stream %s: %w", name, err)
		case found.CachedInfo().State.Msgs > 0 && !force && !unfinished:
			return fmt.Errorf("%w: %s holds %d messages", failure.ErrOccupied, name, found.CachedInfo().State.Msgs)
		}
	}
	return nil
}

// begin notes that a restore begins, and makes room for it.
func (c *clusterRestore) begin(ctx context.Context) error {
	if err := c.patience.Await(ctx, "the cluster to place a stream", func(ctx context.Context) error {
		_, err := c.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
			Name: topology.StreamRestoring, Description: "a restore of Jethook that has not ended",
			Subjects: []string{"jethook.restoring"}, Storage: jetstream.FileStorage, Replicas: c.replicas, MaxBytes: c.markBytes,
		})
		return err
	}); err != nil {
		return fmt.Errorf("noting that a restore begins: %w", err)
	}
	return c.clear(ctx)
}

// clear removes the streams.
func (c *clusterRestore) clear(ctx context.Context) error {
	for _, name := range c.streams {
		if err := c.remove(ctx, name); err != nil {
			return fmt.Errorf("removing stream %s: %w", name, err)
		}
	}
	return nil
}

// finish notes that the restore has ended.
func (c *clusterRestore) finish(ctx context.Context) error {
	if err := c.remove(ctx, topology.StreamRestoring); err != nil {
		return fmt.Errorf("noting that the restore has ended: %w", err)
	}
	return nil
}

func (c *clusterRestore) remove(ctx context.Context, stream string) error {
	return c.patience.Await(ctx, "the removal of stream "+stream, func(ctx context.Context) error {
		err := c.js.DeleteStream(ctx, stream)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			return nil
		}
		return err
	})
}

// OpenRestored opens a cluster that has all that a move has copied, whose id it returns; empty: it has not. A kill may have kept that
// move from finishing it.
func OpenRestored(ctx context.Context, cfg *config.Config, log *slog.Logger) (r *Restoring, move string, err error) {
	c, s, err := openClusterRestore(ctx, cfg, log)
	if err != nil {
		return nil, "", err
	}
	err = c.patience.Await(ctx, "stream "+topology.StreamWebhooks, func(ctx context.Context) error {
		webhooks, err := c.js.Stream(ctx, topology.StreamWebhooks)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			return nil
		}
		if err == nil {
			move = webhooks.CachedInfo().Config.Metadata[MoveKey]
		}
		return err
	})
	if err != nil {
		s.Close()
		return nil, "", fmt.Errorf("looking at the cluster: %w", err)
	}
	return &Restoring{Store: *s, Patience: c.patience, finish: c.finish}, move, nil
}

func openClusterRestore(ctx context.Context, cfg *config.Config, log *slog.Logger) (*clusterRestore, *Store, error) {
	s, err := OpenCluster(ctx, cfg, log)
	if err != nil {
		return nil, nil, err
	}
	js, err := connection.JetStream(s.Conn, s.Domain)
	if err != nil {
		s.Close()
		return nil, nil, err
	}
	return &clusterRestore{js: js, patience: connection.NewBoundedPatience(log, formTime), replicas: cfg.Replicas}, s, nil
}
