package consume

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"jethook/publish"
)

const (
	// maxAttempts bounds how many attempts of one event are shown.
	maxAttempts = 500
	// attemptsTime bounds how long the history is read for them.
	attemptsTime = 2 * time.Second
)

// attemptsOf returns the attempts at an event, newest first, and whether that is all of them. It reads the history
// back to when the event was stored.
func attemptsOf(ctx context.Context, bus *publish.Bus, h *publish.Head) (attempts []Attempt, all bool, err error) {
	attempts = []Attempt{}
	mark, err := json.Marshal(h.ID)
	if err != nil {
		return nil, false, fmt.Errorf("encoding an id: %w", err)
	}
	key, since := "."+h.Key(), h.Time.Add(-clockSlack)
	end := time.Now().Add(attemptsTime)
	for before := uint64(0); time.Now().Before(end); {
		page, next, err := bus.Before(ctx, publish.HistoryShelf("", ""), before, MaxLimit)
		if err != nil {
			return nil, false, fmt.Errorf("reading attempts: %w", err)
		}
		for i := range page {
			if page[i].Time.Before(since) {
				return attempts, true, nil
			}
			if !bytes.Contains(page[i].Data, mark) {
				continue
			}
			var a Attempt
			if json.Unmarshal(page[i].Data, &a) == nil && strings.HasSuffix(a.Delivery, key) {
				attempts = append(attempts, a)
			}
			if len(attempts) == maxAttempts {
				return attempts, false, nil
			}
		}
		if next == 0 {
			return attempts, true, nil
		}
		before = next
	}
	return attempts, false, nil
}
