package consume

import (
	"log/slog"
	"sync/atomic"
)

// fault is something that fails for a while and then works again. The log has a line for each of these changes; what
// fails in between is only worth one when debugging. It is safe for concurrent use.
type fault struct {
	fails, works string // what the log says; without works it does not say when that is over
	failing      atomic.Bool
}

// tell notes how a try ended.
func (f *fault) tell(log *slog.Logger, err error, args ...any) {
	switch {
	case err != nil && f.failing.CompareAndSwap(false, true):
		log.Warn(f.fails, append(args, "error", err)...)
	case err != nil:
		log.Debug(f.fails, append(args, "error", err)...)
	case f.failing.Load() && f.failing.CompareAndSwap(true, false) && f.works != "":
		log.Info(f.works, args...)
	}
}

// faults are those that many deliveries share.
type faults struct {
	announcing fault // operational events
	recording  fault // lines of the history
	noting     fault // in the registry that an endpoint fails, is well, or is disabled
	releasing  fault // what waited for an endpoint to be enabled
	leaving    fault // outcomes behind when the process stops
	reading    fault // what came due
	places     fault // of lagging endpoints, asking for them
	counting   fault // what lagging endpoints missed
	rehearsing fault // messages that earlier processes may have died of
}

func newFaults() faults {
	return faults{
		announcing: fault{fails: "operational events can't be published", works: "operational events are published again"},
		recording:  fault{fails: "attempts can't be recorded", works: "attempts are recorded again"},
		noting:     fault{fails: "the state of endpoints can't be noted; trying again with their next result", works: "the state of endpoints is noted again"},
		releasing:  fault{fails: "a delivery of an enabled endpoint could not be released; it waits for up to an hour", works: "deliveries of enabled endpoints are released again"},
		leaving:    fault{fails: "outcomes are not stored; their events come again"},
		places: fault{
			fails: "the places of lagging endpoints can't be read; events wait until they can",
			works: "the places of lagging endpoints are read again",
		},
		reading:  fault{fails: "messages that are no deliveries are dropped"},
		counting: fault{fails: "what lagging endpoints missed can't be counted; trying again", works: "what lagging endpoints missed is counted again"},
		rehearsing: fault{
			fails: "messages that earlier processes may have died of can't be rehearsed, and are worked on without that",
			works: "messages that earlier processes may have died of are rehearsed again",
		},
	}
}
