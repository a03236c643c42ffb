// Package outage logs what fails for a while once, and once more when it works again.
package outage

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

// Outage is something that fails for a while and then works again. The log has a line for each of these changes; what
// fails in between is only worth one when debugging. It is safe for concurrent use.
type Outage struct {
	Fails, Works string // what the log says; without works it does not say when that is over
	failing      atomic.Bool
}

// Tell notes how a try ended.
func (f *Outage) Tell(log *slog.Logger, err error, args ...any) {
	switch {
	case err != nil && f.failing.CompareAndSwap(false, true):
		log.Warn(f.Fails, append(args, "error", err)...)
	case err != nil:
		log.Debug(f.Fails, append(args, "error", err)...)
	case f.failing.Load() && f.failing.CompareAndSwap(true, false) && f.Works != "":
		log.Info(f.Works, args...)
	}
}

// insistPause is the pause before what failed is done again.
const insistPause = time.Second

// Insist calls do until it succeeds or ctx ends, and complain when it fails for the first time.
func Insist(ctx context.Context, do func() error, complain func(error)) {
	for complained := false; ; complained = true {
		err := do()
		if err == nil || ctx.Err() != nil {
			return
		}
		if !complained {
			complain(err)
		}
		select {
		case <-time.After(insistPause):
		case <-ctx.Done():
			return
		}
	}
}
