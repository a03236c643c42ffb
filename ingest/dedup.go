package ingest

import (
	"crypto/rand"
	"maps"
	"strconv"
	"sync"
	"time"

	"jethook/config"
	"jethook/ingest/provider"
	"jethook/publish"
)

// dedup gives events that are not the same ids that are not the same, where the sender's own word for it does not: equal
// ids, or equal bodies of a sender without ids, are one event for a while only.
//
// The store remembers ids for one time, that of the stream. A shorter one is made by cutting time into slots of that
// length and adding the slot to the id. An id that came in the slot before, less than a slot's length ago, keeps that
// slot. That is remembered here, so what another process took, or this one before it was started anew, counts only within
// one slot: at the turn of two slots a copy may be stored twice, and nothing is ever lost.
type dedup struct {
	off    bool          // every request is an event of its own
	all    time.Duration // for how long any id is remembered; zero: as long as the store does
	hashes time.Duration // the same of an id that is a hash of the body

	mu   sync.Mutex
	seen map[int64]map[string]time.Time // ids of the last slots, with when each first came
}

// maxRemembered is how many ids of a slot are remembered: some 10 MB of them.
const maxRemembered = 50_000

func newDedup(set config.Dedup, sender *provider.Sender) *dedup {
	d := &dedup{seen: map[int64]map[string]time.Time{}}
	switch {
	case set == config.NoDedup:
		d.off = true
	case set > 0:
		d.all, d.hashes = time.Duration(set), time.Duration(set)
	case !sender.Dated:
		d.hashes = provider.EqualBodies
	}
	return d
}

// within makes sure that no time is longer than the store's, after which it takes an id again.
func (d *dedup) within(window time.Duration) {
	if window > 0 {
		d.all, d.hashes = min(d.all, window), min(d.hashes, window)
	}
}

// name is the id of an event that comes now, with the sender's id or a hash.
func (d *dedup) name(id string, hashed bool, now time.Time) string {
	length := d.all
	if hashed {
		length = d.hashes
	}
	switch {
	case d.off:
		return publish.CleanID(id + "-" + rand.Text())
	case length == 0:
		return id
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	slot := now.UnixNano() / int64(length)
	name := nameIn(id, slot, length)
	for _, other := range [...]int64{slot - 1, slot + 1} { // +1: requests overtake each other
		before := nameIn(id, other, length)
		if first, found := d.seen[other][before]; found && now.Sub(first).Abs() < length {
			return before
		}
	}
	d.remember(slot, name, now)
	return name
}

// nameIn is the id with the beginning of the slot in milliseconds.
func nameIn(id string, slot int64, length time.Duration) string {
	return publish.CleanID(id + "-" + strconv.FormatInt(slot*int64(length)/int64(time.Millisecond), 10))
}

// remember keeps the name in its slot, and of the slots those that may be asked for.
func (d *dedup) remember(slot int64, name string, now time.Time) {
	for other := range d.seen {
		if other > slot+1 { // this request is of long ago
			return
		}
	}
	maps.DeleteFunc(d.seen, func(old int64, _ map[string]time.Time) bool { return old < slot-1 })
	names := d.seen[slot]
	if names == nil {
		names = map[string]time.Time{}
		d.seen[slot] = names
	}
	if _, found := names[name]; !found && len(names) < maxRemembered {
		names[name] = now
	}
}

// forget takes back that the name came first at that time: the store had it already, so an event that comes as long
// after this one as a copy may is none.
func (d *dedup) forget(name string, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, names := range d.seen {
		if names[name].Equal(now) {
			delete(names, name)
		}
	}
}
