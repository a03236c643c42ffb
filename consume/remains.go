package consume

import (
	"context"
	"sync"
	"time"

	"github.com/tidwall/gjson"

	"jethook/consume/history"
	"jethook/publish"
	"jethook/publish/query"
)

// forgetful is of how much of the past a killed server may have forgotten that it handed messages out.
const forgetful = time.Minute

// remains is what was recorded of one endpoint's deliveries when a server was started: what it has forgotten to have handed
// out is found there. It is read once for all messages that the server hands out for the first time, for all it knows.
type remains struct {
	mu   sync.Mutex     // guards what follows
	read time.Time      // when that was begun; zero: it has to be
	took time.Duration  // how long that took
	ids  map[string]int // of deliveries that wait, are dead, or were recorded as delivered a moment before: in how many places each
}

// mayTake is a part of the time: reading what remains may take one in so many.
const mayTake = 20

// knownBefore reports whether an outcome of the delivery was recorded before its message came, or a moment before that. It is not
// sure of a delivery that is in several places, nor of one that may share its name with an earlier one.
func (r *recall) knownBefore(ctx context.Context, d *publish.Delivery, h *held) (known, sure bool, err error) {
	of := r.before.of(d.Endpoint)
	of.mu.Lock()
	defer of.mu.Unlock()
	// A process that lived when the server was killed may still store the outcome of what it held.
	if of.read.Before(h.opened) || of.read.Before(h.came) && time.Since(of.read) > max(rereadAfter, mayTake*of.took) {
		if err := of.load(ctx, r.bus, d.Endpoint); err != nil {
			return false, false, err
		}
	}
	if len(of.ids) == 0 {
		return false, true, nil
	}
	if places := of.ids[d.ID()]; places > 0 {
		return true, places == 1, nil
	}
	_, former := of.ids[d.FormerID()]
	return false, !former, nil
}

func (of *remains) load(ctx context.Context, bus *publish.Bus, endpoint string) error {
	began := time.Now()
	ids, err := bus.OnRecord(ctx, endpoint)
	if err != nil {
		return err
	}
	sh := publish.HistoryShelf(endpoint, string(history.Delivered))
	newest, err := bus.Query().LastTime(ctx, sh)
	if err != nil {
		return err
	}
	lines, err := history.Since(ctx, bus, sh, newest.Add(-forgetful))
	if err != nil {
		return err
	}
	err = lines.ReadOn(ctx, history.PageSize, func(s *query.Stored) error {
		ids[gjson.GetBytes(s.Data, "delivery").Str]++
		return nil
	})
	if err != nil {
		return err
	}
	of.read, of.took, of.ids = began, time.Since(began), ids
	return nil
}
