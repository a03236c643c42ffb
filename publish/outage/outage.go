// Package outage logs what fails for a while once, and once more when it works again. It retries nothing.
package outage

import (
	"log/slog"
	"sync/atomic"
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
