package body

import (
	"net/netip"
	"sync"
)

const (
	// bodyMemory bounds, in bytes, the bodies that this process holds at once: 5 of the default largest. Beyond
	// it senders are asked to try again, which loses nothing, while running out of memory would. The process takes
	// two to three times as much, for what the collector has not collected yet. Less would keep one of the largest out
	// while another source is flooded.
	bodyMemory = 40 << 20
	// fewestBodies is how many of the largest must fit in, where larger ones are allowed.
	fewestBodies = 5
	// sourceGreed is how much of the memory one source may hold: so many times what all leave to others. One alone gets two
	// thirds, two get two fifths each, and there always is something left for the next. clientGreed is the same of
	// a source's part and its clients. It is more, since most sources have one client, which may send in bursts.
	sourceGreed, clientGreed = 2, 4
)

// Budget shares out the memory of bodies among the sources, and a source's share among its clients: whoever floods one
// source, or floods from one address, takes nothing that others need.
type Budget struct {
	total int64

	mu      sync.Mutex // guards what follows
	used    int64
	sources map[string]*share
}

// share is what a source holds.
type share struct {
	used    int64
	clients map[netip.Prefix]int64 // those that hold something
}

// NewBudget returns a budget for bodies of which the largest has so many bytes.
func NewBudget(maxBody int64) *Budget {
	return &Budget{total: max(bodyMemory, fewestBodies*maxBody), sources: make(map[string]*share)}
}

// most is how much of total one may hold while the others hold so much of it.
func most(total, others, greed int64) int64 { return (total - others) * greed / (greed + 1) }

// take takes n bytes for a request of the source's, and reports whether there were so many for it.
func (b *Budget) take(source string, from netip.Prefix, n int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.sources[source]
	if s == nil {
		s = &share{clients: make(map[netip.Prefix]int64)}
		b.sources[source] = s
	}
	mine := s.clients[from]
	limit := most(b.total, b.used-s.used, sourceGreed)
	if s.used+n > limit || mine+n > most(limit, s.used-mine, clientGreed) {
		return false
	}
	b.used += n
	s.used += n
	s.clients[from] = mine + n
	return true
}

// give gives back what take took.
func (b *Budget) give(source string, from netip.Prefix, n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.sources[source]
	b.used -= n
	s.used -= n
	if s.clients[from] -= n; s.clients[from] == 0 {
		delete(s.clients, from)
	}
}

// Held returns how many bytes are taken, and how many there are in all.
func (b *Budget) Held() (used, total int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used, b.total
}
