package consume

import (
	"time"

	"jethook/consume/attempt"
	"jethook/publish/report"
)

// activity is what a lane has seen of its endpoint since the process started. The lane's lock guards it.
type activity struct {
	hour   report.Window
	first  int       // first attempts that the lane holds: they wait nowhere on the bus
	ok     time.Time // when a request last succeeded
	failed time.Time // when one last failed
	streak int       // failures in a row
	status int       // of the last failure
	class  attempt.Class
	dying  bool // a delivery has died since a request last succeeded
}

// isFirst reports whether the job's delivery comes from its event and lies nowhere else on the bus: what has waited
// there was due at a time.
func (j *job) isFirst() bool { return j.d.Due.IsZero() }

// note counts a request that ended now.
func (a *activity) note(res *attempt.Result, now time.Time) {
	delivered := res.Verdict == attempt.Delivered
	a.hour.Add(now, delivered, res.Duration)
	if delivered {
		a.ok, a.streak, a.dying = now, 0, false
		return
	}
	a.failed, a.status, a.class = now, res.Status, res.Class
	a.streak++
}

// report describes the lane's endpoint as this process sees it.
func (l *lane) report(now time.Time) report.Endpoint {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := &l.activity
	return report.Endpoint{
		ID: l.id, Running: l.running, InFlight: a.first, Hour: a.hour.Hour(now),
		LastOK: a.ok, LastFailed: a.failed, Streak: a.streak, Status: a.status, Class: string(a.class),
	}
}

// trouble returns how many requests failed in a row up to now, and what the last failure was.
func (l *lane) trouble() (streak, status int, class attempt.Class) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.activity.streak, l.activity.status, l.activity.class
}

// firstDeath reports whether no delivery has died since the endpoint last took one, and remembers that one has now.
func (l *lane) firstDeath() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	was := l.activity.dying
	l.activity.dying = true
	return !was
}

// Unreadable names the recoveries that can't be read, and tells how many there are.
func (e *Engine) Unreadable() ([]report.Unreadable, int) {
	return e.recoveries.Unreadable()
}

// Report returns what this process does for each endpoint that it has had something for.
func (e *Engine) Report() []report.Endpoint {
	now := time.Now()
	lanes := e.allLanes()
	out := make([]report.Endpoint, len(lanes))
	for i, l := range lanes {
		out[i] = l.report(now)
	}
	return out
}

// circuits tells a recovery of the lanes' circuits.
type circuits struct{ engine *Engine }

// IsOpen reports whether an endpoint's circuit is open in this process.
func (c circuits) IsOpen(id string) bool {
	c.engine.mu.Lock()
	l := c.engine.lanes[id]
	c.engine.mu.Unlock()
	return l != nil && !l.works()
}
