package deliveries

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"jethook/consume/attempt"
	"jethook/consume/history"
	"jethook/consume/paging"
	"jethook/publish/delivery"
	"jethook/publish/query"
	"jethook/publish/topology"
)

// AttemptQuery chooses lines of the history; zero fields choose all. Endpoint, Outcome, Class and Status are found
// by the history's index, Since and Until by its order in time; for the others the lines that are left are read,
// some 200,000 in a second.
type AttemptQuery struct {
	Endpoint     string
	Delivery     string // a delivery's id
	EventID      string
	Outcome      history.Outcome
	Class        attempt.Class
	Status       int       // of the HTTP response
	Type         string    // pattern of event types, such as order.*
	Since, Until time.Time // when it was recorded, which is when it ended; Until is excluded
	Limit        int       // of one page; 0, or more than paging.Max, is paging.Max
	Cursor       string    // of the next page
}

// answerBytes bounds what the attempts of one page take in memory, but for the last one.
const answerBytes = 8 << 20

// Attempts returns the chosen lines of the history, newest first, and the cursor of the next page; empty when
// there is none. A page may be short, or even empty, and still have a next one: one call reads for a bounded time
// and holds a bounded number of bytes. The error is ErrBadCursor for a cursor that Attempts has not returned.
func (l *Store) Attempts(ctx context.Context, q AttemptQuery) (items []history.Attempt, next string, err error) {
	var before uint64 // the cursor is the sequence before which it goes on
	if q.Cursor != "" {
		if before, err = paging.ParsePlace(q.Cursor); err != nil {
			return nil, "", err
		}
	}
	if q.Limit <= 0 || q.Limit > paging.Max {
		q.Limit = paging.Max
	}
	selection, matches, ahead := q.selection(), q.matcher(), q.Limit
	if matches != nil { // much of it may not match
		ahead = paging.Max
	}
	items = []history.Attempt{}
	for began, size := time.Now(), 0; ; {
		page, end, err := l.bus.Query().Reverse(ctx, selection, before, ahead)
		if err != nil {
			return nil, "", fmt.Errorf("reading the history: %w", err)
		}
		for i := range page {
			if len(items) == q.Limit || size > answerBytes {
				return items, paging.FormatPlace(before), nil
			}
			before = page[i].Seq
			if matches != nil && !matches(page[i].Data) {
				continue
			}
			if a, err := history.Parse(page[i].Data); err == nil { // else it is none of ours
				items = append(items, a)
				size += len(page[i].Data)
			}
		}
		if end == 0 {
			return items, "", nil
		}
		if before = end; len(items) == q.Limit || time.Since(began) > paging.Patience {
			return items, paging.FormatPlace(before), nil
		}
	}
}

func (q *AttemptQuery) selection() query.Selection {
	t := delivery.HistoryKey{Endpoint: q.Endpoint, Outcome: string(q.Outcome), Class: string(q.Class), Status: q.Status}
	if t.Endpoint == "" && q.Delivery != "" {
		t.Endpoint, _, _ = strings.Cut(q.Delivery, ".")
	}
	return t.Selection().Within(q.Since, q.Until)
}

// matcher returns what tells whether a line matches beyond what its subject tells; nil when that is all.
func (q *AttemptQuery) matcher() func(data []byte) bool {
	var tests []func([]byte) bool
	field := func(name, want string, equal func(string) bool) {
		if want == "" {
			return
		}
		quoted, _ := json.Marshal(want) // a string always can
		text := fmt.Appendf(nil, "%q:%s", name, bytes.TrimSuffix(quoted, []byte(`"`)))
		// Most lines don't hold the text anywhere, which is quick to see; an answer's body may hold it too.
		tests = append(tests, func(data []byte) bool {
			return bytes.Contains(data, text) && equal(gjson.GetBytes(data, name).Str)
		})
	}
	field("delivery", q.Delivery, func(id string) bool { return matchesDelivery(q.Delivery, id) })
	field("event_id", q.EventID, func(id string) bool { return id == q.EventID })
	if q.Type != "" {
		tests = append(tests, func(data []byte) bool { return MatchesType(q.Type, gjson.GetBytes(data, "type").Str) })
	}
	if len(tests) == 0 {
		return nil
	}
	return func(data []byte) bool {
		for _, test := range tests {
			if !test(data) {
				return false
			}
		}
		return true
	}
}

// matchesDelivery reports whether a delivery is the wanted one, or, of an id without a place, one of those.
func matchesDelivery(want, id string) bool {
	place, ok := strings.CutPrefix(id, want)
	return ok && (place == "" || !delivery.HasPlace(want) && place[0] == '.')
}

// MatchesType reports whether an event type matches a pattern: "*" is one of the parts between its dots, ">" the
// rest.
func MatchesType(pattern, eventType string) bool {
	return pattern == eventType || eventType != "" && topology.MatchesAny(eventType, []string{pattern})
}
