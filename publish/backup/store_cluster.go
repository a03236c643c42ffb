package backup

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

func restoreCluster(ctx context.Context, cfg *config.Config, streams []string, force bool, log *slog.Logger) (_ *Restoring, err error) {
	s, err := dialStore(cfg, log)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	js, err := connection.JetStream(s.Conn, s.Domain)
	if err != nil {
		return nil, err
	}
	ask, cancel := context.WithTimeout(ctx, processes.AskTime)
	defer cancel()
	if _, err := s.Conn.RequestWithContext(ask, processes.AskSubject, nil); !errors.Is(err, nats.ErrNoResponders) && !errors.Is(err, context.DeadlineExceeded) {
		return nil, errors.Join(failure.ErrRunning, err)
	}
	unfinished, err := topology.IsRestoring(ctx, js)
	if err != nil {
		return nil, err
	}
	for _, name := range streams {
		found, err := js.Stream(ctx, name)
		switch {
		case errors.Is(err, jetstream.ErrStreamNotFound):
		case err != nil:
			return nil, fmt.Errorf("asking for stream %s: %w", name, err)
		case found.CachedInfo().State.Msgs > 0 && !force && !unfinished:
			return nil, fmt.Errorf("%w: %s holds %d messages", failure.ErrOccupied, name, found.CachedInfo().State.Msgs)
		}
	}
	_, err = js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: topology.StreamRestoring, Description: "a restore of Jethook that has not ended",
		Subjects: []string{"jethook.restoring"}, Storage: jetstream.FileStorage, Replicas: cfg.Replicas,
	})
	if err != nil {
		return nil, fmt.Errorf("noting that a restore begins: %w", err)
	}
	for _, name := range streams {
		if err := js.DeleteStream(ctx, name); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
			return nil, fmt.Errorf("removing stream %s: %w", name, err)
		}
	}
	return &Restoring{Store: *s, finish: func(ctx context.Context) error {
		if err := js.DeleteStream(ctx, topology.StreamRestoring); err != nil {
			return fmt.Errorf("noting that the restore has ended: %w", err)
		}
		return nil
	}}, nil
}
