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
		all[in.queue.Stream] = max(all[in.queue.Stream], in.stalledFor())
	}
	return all
}

// note remembers since when the bus brings nothing.
func (in *intake) note(err error) {
	if err == nil {
		in.stalled.Store(0)
	} else {
		in.stalled.CompareAndSwap(0, time.Now().UnixNano())
	}
}

// stalledFor is for how long the bus has brought nothing although it should; 0: it is well.
func (in *intake) stalledFor() time.Duration {
	if since := in.stalled.Load(); since > 0 {
		return time.Since(time.Unix(0, since))
	}
	return 0
}
