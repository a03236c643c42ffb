package consume

import (
	"context"
	"slices"
	"time"

	"jethook/publish"
)

const (
	// maxAttempts bounds how many attempts of one event are shown.
	maxAttempts = MaxLimit
	// soon is how long after it was stored an event is nearly always attempted for the first time.
	soon = 2 * time.Minute
)

// attemptsOf returns the attempts at an event, newest first, and whether that is all of them. The history of the first
// minutes is read by itself: there the attempts are that went well, and it is found however old the event is.
func attemptsOf(ctx context.Context, bus *publish.Bus, h *publish.Head) (attempts []Attempt, all bool, err error) {
	attempts, all = []Attempt{}, true
	stored := h.Time.Add(-clockSlack)
	for _, span := range [][2]time.Time{{stored.Add(soon), {}}, {stored, stored.Add(soon)}} {
		if span[0].After(time.Now()) {
			continue
		}
		page, next, err := NewLedger(bus, nil).Attempts(ctx, AttemptQuery{EventID: h.ID, Since: span[0], Until: span[1], Limit: maxAttempts})
		if err != nil {
			return nil, false, err
		}
		attempts, all = append(attempts, page...), all && next == ""
	}
	// Another source may have an event of that id, and so may this one.
	return slices.DeleteFunc(attempts, func(a Attempt) bool { return !h.HasDelivery(a.Delivery) }), all, nil
}
