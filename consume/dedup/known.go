package dedup

import (
	"context"
	"sync"
	"time"

	"jethook/publish/delivery"
)

const (
	// forgetful is of how much of the past a killed server may have forgotten that it handed messages out.
	forgetful = time.Minute
	// mayTake is a part of the time: looking at what is recorded may take one in so many.
	mayTake = 20
)

// recollection is what is known of one endpoint's deliveries: there is found what a server has forgotten to have handed out,
// and what a killed process did not acknowledge.
type recollection struct {
	mu sync.Mutex // guards what follows
	delivered
	ids    map[string]int // of deliveries that wait or are dead: in how many places each
	looked time.Time      // when that was last begun to be looked at; zero: never
	took   time.Duration  // how long that took
}

// forgetBefore forgets what was read before a server started: what was recorded last, it may have lost, and have put other
// lines into its place.
func (of *recollection) forgetBefore(opened time.Time) {
	if of.begun.Before(opened) {
		of.delivered, of.ids, of.looked = delivered{}, nil, time.Time{}
	}
}

// knownBefore reports whether an outcome of the delivery was recorded before its message came, or a moment before that. It is
// not sure of a delivery that is in several places, nor of one that may share its name with an earlier one, nor that there
// is none of a message which was handed out before, unless it has looked since, and as far back as the message.
func (o *Outcomes) knownBefore(ctx context.Context, d *delivery.Delivery, m *Message) (known, sure bool, err error) {
	of := o.endpoints.of(d.Endpoint)
	of.mu.Lock()
	defer of.mu.Unlock()
	of.forgetBefore(m.Opened)
	from := m.Stored.Add(-MaxEarly)
	switch {
	case of.begun.IsZero():
		err = of.begin(ctx, o.history, d.Endpoint, from, forgetful)
	case from.Before(of.asked): // others will follow
		err = of.begin(ctx, o.history, d.Endpoint, time.Time{}, forgetful)
	}
	if err == nil && of.isStale(m) {
		err = of.look(ctx, o.find, d.Endpoint)
	}
	if err != nil {
		return false, false, err
	}
	switch id := d.ID(); {
	case of.places(id) > 0:
		return true, of.places(id) == 1, nil
	case m.Repeat && (from.Before(of.since) || from.Before(of.dropped) || of.looked.Before(m.Came)):
		return false, false, nil
	case d.FormerID() == id:
		return false, true, nil
	default:
		return false, of.places(d.FormerID()) == 0, nil
	}
}

// isStale reports whether to look at what is recorded before a message is decided about.
func (of *recollection) isStale(m *Message) bool {
	rest := mayTake * of.took
	if !m.Repeat { // a process that lived when the server was killed may still store the outcome of what it held
		rest = max(rest, RereadAfter)
	}
	return of.looked.IsZero() || of.read.IsZero() || of.looked.Before(m.Came) && time.Since(of.looked) > rest
}

// places is in how many places a delivery is.
func (of *recollection) places(id string) int {
	if _, found := of.find(id); found { // a kill may have repeated it
		return of.ids[id] + 1
	}
	return of.ids[id]
}

// look looks at what is recorded: what waits or is dead, and then what was delivered meanwhile.
func (of *recollection) look(ctx context.Context, find Finder, endpoint string) error {
	began := time.Now()
	ids, err := find.OnRecord(ctx, endpoint)
	if err != nil {
		return err
	}
	if err := of.readOn(ctx); err != nil {
		return err
	}
	of.ids, of.looked, of.took = ids, began, time.Since(began)
	return nil
}
