package lane

import "time"

// alarm has a lane look again at what it holds, at a time. The lane's lock guards it.
type alarm struct {
	ring  func()
	at    time.Time // zero: it is not set
	timer *time.Timer
}

// in sets the alarm, unless it rings sooner anyway.
func (a *alarm) in(now time.Time, wait time.Duration) {
	at := now.Add(wait)
	if !a.at.IsZero() && !at.Before(a.at) {
		return
	}
	a.at = at
	if a.timer == nil {
		a.timer = time.AfterFunc(wait, a.ring)
	} else {
		a.timer.Reset(wait)
	}
}
