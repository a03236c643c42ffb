package gate

import (
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// mostConsumers is with how many consumers of a stream services make no more. A stream has 1,000 at most, and Jethook needs
	// its own: for ordered endpoints, and for lists of events.
	mostConsumers = 500
	// makeTime is more than the server needs to make one.
	makeTime = 5 * time.Second
)

// crowd counts the consumers that services may make.
type crowd struct {
	count func(stream string) int // of those that are there

	mu   sync.Mutex             // guards made
	made map[string][]time.Time // those of the last makeTime, which may not be there yet
}

// admits counts a consumer that is to be made, and reports false when there are too many.
func (c *crowd) admits(stream string, now time.Time) bool {
	if c == nil || c.count == nil {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	made := slices.DeleteFunc(c.made[stream], func(at time.Time) bool { return now.Sub(at) > makeTime })
	fits := c.count(stream)+len(made) < mostConsumers
	if fits {
		made = append(made, now)
	}
	c.made[stream] = made
	return fits
}

// stream is the stream of the consumer that a message asks for.
func (m *message) stream() string {
	rest := strings.TrimPrefix(strings.TrimPrefix(m.subject, createPrefix), durablePrefix)
	stream, _, _ := strings.Cut(rest, ".")
	return stream
}
