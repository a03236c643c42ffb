package consume

import (
	"errors"
	"fmt"
	"time"
)

// stalledAfter is for how long requests for messages may come to nothing before the process says so: a cluster elects a new
// leader within it.
const stalledAfter = 15 * time.Second

// errStalled means that events wait in the bus and do not get here.
var errStalled = errors.New("the bus gives no events")

// Ready returns an error if requests for messages have come to nothing for a while.
func (e *Engine) Ready() error {
	for queue, d := range e.Stalled() {
		if d >= stalledAfter {
			return fmt.Errorf("%w of stream %s for %s", errStalled, queue, d.Round(time.Second))
		}
	}
	return nil
}

// Stuck tells of the streams that have brought nothing for so long that it is more than an election, for how many seconds.
func (e *Engine) Stuck() map[string]float64 {
	stuck := make(map[string]float64)
	for stream, d := range e.Stalled() {
		if d >= stalledAfter {
			stuck[stream] = d.Seconds()
		}
	}
	return stuck
}

// Stalled tells for how long requests for the messages of each stream have come to nothing; 0 where they work.
func (e *Engine) Stalled() map[string]time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := make(map[string]time.Duration)
	for _, in := range e.intakes {
		all[in.Stream()] = max(all[in.Stream()], in.StalledFor())
	}
	return all
}
