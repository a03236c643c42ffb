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
	uniting    fault // what two processes have stored of one delivery
	rehearsing fault // messages that earlier processes may have died of
}

func newFaults() faults {
	return faults{
		announcing: fault{fails: "cannot publish operational events", works: "publishing operational events again"},
		recording:  fault{fails: "cannot record attempts", works: "recording attempts again"},
		noting:     fault{fails: "cannot store the state of an endpoint; retrying with its next result", works: "storing the state of endpoints again"},
		releasing:  fault{fails: "cannot release a delivery of an enabled endpoint; it waits for up to an hour", works: "releasing deliveries of enabled endpoints again"},
		leaving:    fault{fails: "cannot store outcomes; their events will be redelivered"},
		places: fault{
			fails: "cannot read cursor records; events wait",
			works: "reading cursor records again",
		},
		reading:  fault{fails: "dropping messages that are not deliveries"},
		counting: fault{fails: "cannot count the events that lagging endpoints missed; retrying", works: "counting the events that lagging endpoints missed again"},
		uniting: fault{
			fails: "cannot look for other outcomes of deliveries; retrying",
			works: "looking for other outcomes of deliveries again",
		},
		rehearsing: fault{
			fails: "messages that earlier processes may have died of can't be rehearsed, and are worked on without that",
			works: "messages that earlier processes may have died of are rehearsed again",
		},
	}
}
