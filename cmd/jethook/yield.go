package main

import (
	"context"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"jethook/consume"
)

// deliver runs the engine until ctx ends, but not while the store is being moved to a cluster. If that is taken back, a new
// engine goes on.
func (b *bridge) deliver(ctx context.Context) error {
	for engine := b.engine.Load(); ctx.Err() == nil; {
		_, changed := b.bus.Moving().Moving()
		leave, err := b.bus.Moving().Enter()
		if err == nil {
			if engine == nil {
				engine = b.newEngine()
				b.engine.Store(engine)
			}
			err = runUntil(ctx, changed, engine)
			engine = nil
			leave()
			if err != nil {
				return err
			}
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
	return nil
}

// runUntil runs an engine until ctx ends or changed is closed.
func runUntil(ctx context.Context, changed <-chan struct{}, engine *consume.Engine) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- engine.Run(ctx) }()
	select {
	case <-changed:
		stop()
	case err := <-ended:
		return err
	}
	return <-ended
}

// engineMetrics are those of the engine that runs.
type engineMetrics struct{ b *bridge }

func (m engineMetrics) Describe(ch chan<- *prometheus.Desc) { m.b.engine.Load().Describe(ch) }
func (m engineMetrics) Collect(ch chan<- prometheus.Metric) { m.b.engine.Load().Collect(ch) }

// warning is a word for the readiness probe; empty: all is well.
func (b *bridge) warning() string {
	text := b.reload.warning()
	if mark, _ := b.bus.Moving().Moving(); mark != nil {
		text = strings.TrimPrefix(text+"; the store is being moved to "+mark.To, "; ")
	}
	return text
}
