package consume

import (
	"sync"
	"time"

	"jethook/publish"
	"jethook/publish/topology"
)

// unbroken tells since when this process has had its connection for a stream's messages without a break. What was stored before
// that may have been handed out, and the server forgot it when it was killed; of what was stored since, it knows.
type unbroken struct {
	bus *publish.Bus

	mu      sync.Mutex // guards streams
	streams map[string]spell
}

// spell is a time without a break.
type spell struct {
	since      time.Time
	reconnects uint64 // of the connection, when it began
}

func newUnbroken(bus *publish.Bus) *unbroken {
	u := &unbroken{bus: bus, streams: make(map[string]spell)}
	for _, stream := range append([]string{topology.StreamDeliveries}, topology.EventStreams...) {
		u.streams[stream] = spell{time.Now(), bus.Queues().Reconnects(stream)}
	}
	return u
}

// now returns the present spell of a stream. One that has begun unnoticed begins with the call.
func (u *unbroken) now(stream string) spell {
	u.mu.Lock()
	defer u.mu.Unlock()
	if n := u.bus.Queues().Reconnects(stream); n != u.streams[stream].reconnects {
		u.streams[stream] = spell{time.Now(), n}
	}
	return u.streams[stream]
}
