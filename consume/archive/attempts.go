package archive

import (
	"context"
	"slices"
	"time"

	"jethook/consume/deliveries"
	"jethook/consume/history"
	"jethook/consume/paging"
	"jethook/publish"
	"jethook/publish/eventlog"
)

const (
	// maxAttempts bounds how many attempts of one event are shown.
	maxAttempts = paging.Max
)

// attemptsOf returns the attempts at an event, newest first, and whether that is all of them. The history of the first
// minutes is read by itself: there the attempts are that went well, and it is found however old the event is.
func attemptsOf(ctx context.Context, bus *publish.Bus, h *eventlog.Head) (attempts []history.Attempt, all bool, err error) {
	attempts, all = []history.Attempt{}, true
	stored := h.Time.Add(-deliveries.ClockSlack)
	for _, span := range [][2]time.Time{{stored.Add(deliveries.Soon), {}}, {stored, stored.Add(deliveries.Soon)}} {
		if span[0].After(time.Now()) {
			continue
		}
		page, next, err := deliveries.New(bus, nil).Attempts(ctx, deliveries.AttemptQuery{EventID: h.ID, Since: span[0], Until: span[1], Limit: maxAttempts})
		if err != nil {
			return nil, false, err
		}
		attempts, all = append(attempts, page...), all && next == ""
	}
	// Another source may have an event of that id, and so may this one.
	return slices.DeleteFunc(attempts, func(a history.Attempt) bool { return !h.HasDelivery(a.Delivery) }), all, nil
}
