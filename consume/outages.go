package consume

import (
	"jethook/publish/outage"
)

// faults are those that many deliveries share.
type faults struct {
	announcing outage.Outage // operational events
	noting     outage.Outage // in the registry that an endpoint fails, is well, or is disabled
	reading    outage.Outage // what came due
	places     outage.Outage // of lagging endpoints, asking for them
	rehearsing outage.Outage // messages that earlier processes may have died of
}

func newFaults() faults {
	return faults{
		announcing: outage.Outage{Fails: "cannot publish operational events", Works: "publishing operational events again"},
		noting:     outage.Outage{Fails: "cannot store the state of an endpoint; retrying with its next result", Works: "storing the state of endpoints again"},
		places: outage.Outage{
			Fails: "cannot read cursor records; events wait",
			Works: "reading cursor records again",
		},
		reading: outage.Outage{Fails: "dropping messages that are not deliveries"},
		rehearsing: outage.Outage{
			Fails: "messages that earlier processes may have died of can't be rehearsed, and are worked on without that",
			Works: "messages that earlier processes may have died of are rehearsed again",
		},
	}
}
