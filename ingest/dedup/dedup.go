// Package dedup names events so that what is sent twice is stored once, and what happens twice is stored twice.
package dedup

import (
	"crypto/rand"
	"maps"
	"strconv"
	"sync"
	"time"

	"jethook/config/quantity"
	"jethook/ingest/provider"
	"jethook/publish/event"
)

// Dedup gives events that are not the same ids that are not the same, where the sender's own word for it does not: equal
// ids, or equal bodies of a sender without ids, are one event for a while only.
//
// The store remembers ids for one time, that of the stream. A shorter one is made by cutting time into slots of that
// length and adding the slot to the id. An id that came in the slot before, less than a slot's length ago, keeps that
// slot. That is remembered here, so what another process took, or this one before it was started anew, counts only within
// one slot: at the turn of two slots a copy may be stored twice, and nothing is ever lost.
type Dedup struct {
	off    bool          // every request is an event of its own
	all    time.Duration // for how long any id is remembered; zero: as long as the store does
	hashes time.Duration // the same of an id that is a hash of the body

	mu   sync.Mutex
	seen map[int64]map[string]sighting // ids of the last slots
}

// sighting is when an id first came, and how many requests have had it since.
type sighting struct {
	first    time.Time
	requests int
}

// maxRemembered is how many ids of a slot are remembered: some 10 MB of them.
const maxRemembered = 50_000

// New returns what names the events of a sender, with the setting of a source.
func New(set quantity.Dedup, sender *provider.Sender) *Dedup {
	d := &Dedup{seen: map[int64]map[string]sighting{}}
	switch {
	case set == quantity.NoDedup:
		d.off = true
	case set > 0:
		d.all, d.hashes = time.Duration(set), time.Duration(set)
	case !sender.Dated:
		d.hashes = provider.EqualBodies
	}
	return d
}

// Within makes sure that no time is longer than the store's, after which it takes an id again.
func (d *Dedup) Within(window time.Duration) {
	if window > 0 {
		d.all, d.hashes = min(d.all, window), min(d.hashes, window)
	}
}

// Name is the id of an event that comes now, with the sender's id or a hash.
func (d *Dedup) Name(id string, hashed bool, now time.Time) string {
	length := d.all
	if hashed {
		length = d.hashes
	}
	switch {
	case d.off:
		return event.CleanID(id + "-" + rand.Text())
	case length == 0:
		return id
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	slot := now.UnixNano() / int64(length)
	name := nameIn(id, hashed, slot, length)
	for _, other := range [...]int64{slot - 1, slot + 1} { // +1: requests overtake each other
		before := nameIn(id, hashed, other, length)
		if s, found := d.seen[other][before]; found && now.Sub(s.first).Abs() < length {
			d.seen[other][before] = sighting{s.first, s.requests + 1}
			return before
		}
	}
	d.remember(slot, name, now)
	return name
}

// nameIn is the id with the beginning of the slot in milliseconds, or of a hash another one.
func nameIn(id string, hashed bool, slot int64, length time.Duration) string {
	begins := strconv.FormatInt(slot*int64(length)/int64(time.Millisecond), 10)
	if hashed {
		return event.HashID(id, begins)
	}
	return event.CleanID(id + "-" + begins)
}

// remember keeps the name in its slot, and of the slots those that may be asked for.
func (d *Dedup) remember(slot int64, name string, now time.Time) {
	for other := range d.seen {
		if other > slot+1 { // this request is of long ago
			return
		}
	}
	maps.DeleteFunc(d.seen, func(old int64, _ map[string]sighting) bool { return old < slot-1 })
	names := d.seen[slot]
	if names == nil {
		names = map[string]sighting{}
		d.seen[slot] = names
	}
	switch s, found := names[name]; {
	case found:
		names[name] = sighting{s.first, s.requests + 1}
	case len(names) < maxRemembered:
		names[name] = sighting{now, 1}
	}
}

// Duplicate tells that the store had the name already. Where no request before had it here, another process took the
// event, or this one before it was started anew: what comes a slot's length after this copy is an event. Of several events
// in one request the store does not say which it had: there it may take twice that length.
func (d *Dedup) Duplicate(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, names := range d.seen {
		if names[name].requests == 1 {
			delete(names, name)
		}
	}
}
