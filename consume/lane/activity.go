package lane

import (
	"time"

	"jethook/consume/attempt"
	"jethook/publish/report"
)

// activity is what a lane has seen of its endpoint since the process started. The lane's lock guards it.
type activity struct {
	hour   report.Window
	first  int       // jobs that the lane holds and that wait nowhere on the bus
	ok     time.Time // when a request last succeeded
	failed time.Time // when one last failed
	streak int       // failures in a row
	status int       // of the last failure
	class  attempt.Class
}

// note counts a request that ended now.
func (a *activity) note(res *attempt.Result, now time.Time) {
	delivered := res.Verdict == attempt.Delivered
	a.hour.Add(now, delivered, res.Duration)
	if delivered {
		a.ok, a.streak = now, 0
		return
	}
	a.failed, a.status, a.class = now, res.Status, res.Class
	a.streak++
}
