package consume

import (
	"context"
	"sync"
	"time"

	"github.com/tidwall/gjson"

	"jethook/consume/history"
	"jethook/publish"
	"jethook/publish/delivery"
	"jethook/publish/query"
)

const (
	// forgetful is of how much of the past a killed server may have forgotten that it handed messages out.
	forgetful = time.Minute
	// mayTake is a part of the time: reading what remains may take one in so many.
	mayTake = 20
	// recentLines is how many deliveries are kept that were recorded since the first look, in each of two lots.
	recentLines = 1 << 16
)

// remains is what is recorded of one endpoint's deliveries: there is found what a server has forgotten to have handed out,
// and what a killed process did not acknowledge. It is read once for many messages: to look for each by itself takes
// several requests, and after a kill there are hundreds before the first that has yet to be delivered.
type remains struct {
	mu    sync.Mutex     // guards what follows
	read  time.Time      // when that was last begun; zero: it has to be
	took  time.Duration  // how long that took
	ids   map[string]int // of deliveries that wait or are dead: in how many places each
	lines history.Reader
	asked time.Time          // from when on the history was to be read
	since time.Time          // and was
	lost  bool               // some of it was dropped again
	lots  [3]map[string]bool // of deliveries recorded as delivered: those of the first look, the older and the newer ones since
}

// knownBefore reports whether an outcome of the delivery was recorded before its message came, or a moment before that. It is
// not sure of a delivery that is in several places, nor of one that may share its name with an earlier one, nor that there
// is none of a message which was handed out before, unless it has looked since, and as far back as the message.
func (r *recall) knownBefore(ctx context.Context, d *delivery.Delivery, h *held) (known, sure bool, err error) {
	of := r.before.of(d.Endpoint)
	of.mu.Lock()
	defer of.mu.Unlock()
	rest := mayTake * of.took
	if !h.repeat { // a process that lived when the server was killed may still store the outcome of what it held
		rest = max(rest, rereadAfter)
	}
	from := h.stored.Add(-maxEarly)
	switch {
	case of.read.IsZero(), of.read.Before(h.opened):
		err = of.begin(ctx, r.bus, d.Endpoint, from)
	case from.Before(of.asked): // others will follow
		err = of.begin(ctx, r.bus, d.Endpoint, time.Time{})
	case of.read.Before(h.came) && time.Since(of.read) > rest:
		err = of.look(ctx, r.bus, d.Endpoint)
	}
	if err != nil {
		return false, false, err
	}
	switch id := d.ID(); {
	case of.places(id) > 0:
		return true, of.places(id) == 1, nil
	case h.repeat && (of.lost || from.Before(of.since) || of.read.Before(h.came)):
		return false, false, nil
	case d.FormerID() == id:
		return false, true, nil
	default:
		return false, of.places(d.FormerID()) == 0, nil
	}
}

// places is in how many places a delivery is.
func (of *remains) places(id string) int {
	for _, lot := range of.lots {
		if lot[id] { // a kill may have repeated it
			return of.ids[id] + 1
		}
	}
	return of.ids[id]
}

// begin reads what remains of an endpoint: the history from a time on, and not of longer than a server can have forgotten.
func (of *remains) begin(ctx context.Context, bus *publish.Bus, endpoint string, from time.Time) error {
	of.read = time.Time{}
	sh := delivery.HistoryShelf(endpoint, string(history.Delivered))
	newest, err := bus.Query().LastTime(ctx, sh)
	if err != nil {
		return err
	}
	of.asked, of.since = from, newest.Add(-forgetful)
	if from.After(of.since) {
		of.since = from
	}
	if of.lines, err = history.Since(ctx, bus, sh, of.since); err != nil {
		return err
	}
	of.lost, of.lots = false, [3]map[string]bool{{}, {}, {}}
	return of.look(ctx, bus, endpoint)
}

// look reads what was added since the last look.
func (of *remains) look(ctx context.Context, bus *publish.Bus, endpoint string) error {
	began, lot := time.Now(), 2
	ids, err := bus.Find().OnRecord(ctx, endpoint)
	if err != nil {
		return err
	}
	switch {
	case of.read.IsZero():
		lot = 0
	case len(of.lots[2]) > recentLines:
		of.lost = of.lost || len(of.lots[1]) > 0
		of.lots[1], of.lots[2] = of.lots[2], make(map[string]bool)
	}
	err = of.lines.ReadOn(ctx, history.PageSize, func(s *query.Stored) error {
		of.lots[lot][gjson.GetBytes(s.Data, "delivery").Str] = true
		return nil
	})
	if err != nil {
		return err
	}
	of.ids, of.read, of.took = ids, began, time.Since(began)
	return nil
}
