package consume

import (
	"context"
	"sync"
	"time"

	"github.com/tidwall/gjson"

	"jethook/publish"
)

// forgetful is of how much of the past a killed server may have forgotten that it handed messages out.
const forgetful = time.Minute

// remains is what was recorded of one endpoint's deliveries when a server was started: what it has forgotten to have handed
// out is found there. It is read once for all messages that the server hands out for the first time, for all it knows.
type remains struct {
	mu   sync.Mutex          // guards what follows
	read time.Time           // when that was begun; zero: it has to be
	ids  map[string]struct{} // of deliveries that wait, are dead, or were recorded as delivered a moment before
}

// knownBefore reports whether an outcome of the delivery was recorded before the server was started at a time. It is not
// sure of a delivery that may share its name with an earlier one.
func (r *recall) knownBefore(ctx context.Context, d *publish.Delivery, opened time.Time) (known, sure bool, err error) {
	of := r.before.of(d.Endpoint)
	of.mu.Lock()
	defer of.mu.Unlock()
	if of.read.Before(opened) {
		if err := of.load(ctx, r.bus, d.Endpoint); err != nil {
			return false, false, err
		}
	}
	if len(of.ids) == 0 {
		return false, true, nil
	}
	if _, known = of.ids[d.ID()]; known {
		return true, true, nil
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
	sh := publish.HistoryShelf(endpoint, string(OutcomeDelivered))
	newest, err := bus.LastTime(ctx, sh)
	if err != nil {
		return err
	}
	lines, err := linesSince(ctx, bus, sh, newest.Add(-forgetful))
	if err != nil {
		return err
	}
	err = lines.readOn(ctx, recallPage, func(s *publish.Stored) error {
		ids[gjson.GetBytes(s.Data, "delivery").Str] = struct{}{}
		return nil
	})
	if err != nil {
		return err
	}
	of.read, of.ids = began, ids
	return nil
}
