package dedup

import (
	"context"
	"time"

	"github.com/tidwall/gjson"

	"jethook/consume/history"
	"jethook/publish/delivery"
	"jethook/publish/query"
)

const (
	// longestHold is for how long, at most, an event was held whose delivery to one endpoint was recorded already: as
	// long as the slowest attempt for another one takes, and its outcome to be stored. Older lines matter to nobody.
	longestHold = 10 * time.Minute
	// recentLines is how many lines are kept that were recorded since reading began, in each of two lots.
	recentLines = 1 << 16
)

// delivered is what one endpoint's history says was delivered since a time. It is read for many messages at once, and
// afterwards only what was added: to look for each by itself takes several requests, and after a kill there are hundreds
// before the first that has yet to be delivered.
type delivered struct {
	lines history.Reader
	asked time.Time // from when on lines were to be read, at the earliest
	since time.Time // and were
	whole time.Time // from when on those that were read are all that matter
	begun time.Time // when that began; zero: it has not
	read  time.Time // when they were last read on; zero: what is there has yet to be read
	lots  [4]lot
	fills int // the lot that is being filled
	// dropped is when the newest of the lines was recorded that were dropped again; zero: none was.
	dropped time.Time
}

// The lots of lines. What is read again does not replace what was read first: of what was recorded before a kill, it may be
// less.
const (
	first = iota // what was there when reading began
	anew         // what was there when it last began from an earlier time
	older        // what was added since
	newer
)

// lot are the last lines about deliveries that were read together.
type lot struct {
	last   map[string]line // by the delivery's id
	newest time.Time       // when the last one was recorded
}

// line is a line that says that a delivery was delivered.
type line struct {
	at     time.Time
	place  uint64 // see lastAttempt
	placed bool
}

// since reports whether the line is about d, which came by a message that was stored at a time, or about a later one.
func (l line) since(d *delivery.Delivery, stored time.Time) bool {
	if follows, known := d.Follows(); known && l.placed {
		return l.place > follows
	}
	return l.at.After(stored)
}

// find returns the last line about a delivery.
func (of *delivered) find(id string) (line, bool) {
	for i := newer; i >= first; i-- {
		if l, ok := of.lots[i].last[id]; ok {
			return l, true
		}
	}
	return line{}, false
}

// begin makes reading begin with what was recorded since a time, but with nothing that is older by so much than the newest
// line of all. What was read before is read again.
func (of *delivered) begin(ctx context.Context, from History, endpoint string, at time.Time, back time.Duration) error {
	selection := delivery.HistoryKey{Endpoint: endpoint, Outcome: string(history.Delivered)}.Selection()
	newest, err := from.LastTime(ctx, selection)
	if err != nil {
		return err
	}
	since, matters := latest(at, newest.Add(-back)), newest.Add(-longestHold)
	if !of.begun.IsZero() {
		at, since = earliest(at, of.asked), earliest(since, of.since)
	}
	since = latest(since, matters)
	lines, err := history.Since(ctx, from, selection, since)
	if err != nil {
		return err
	}
	next := delivered{lines: lines, asked: at, since: since, whole: since, begun: time.Now()}
	if !since.After(matters) {
		next.whole = time.Time{}
	}
	if !of.begun.IsZero() {
		next.lots[first], next.fills = of.lots[first], anew
	}
	*of = next
	return nil
}

// readOn reads what was added.
func (of *delivered) readOn(ctx context.Context) error {
	if lots := &of.lots; len(lots[newer].last) > recentLines {
		if len(lots[older].last) > 0 {
			of.dropped = lots[older].newest
		}
		lots[older], lots[newer] = lots[newer], lot{}
	}
	began := time.Now()
	if err := of.lines.ReadOn(ctx, history.PageSize, of.note); err != nil {
		return err
	}
	of.read, of.fills = began, newer
	return nil
}

// note notes a line.
func (of *delivered) note(s *query.Stored) error {
	text := gjson.GetManyBytes(s.Data, "delivery", "place")
	id := text[0].Str
	before, _ := of.find(id)
	in := &of.lots[of.fills]
	if in.last == nil {
		in.last = make(map[string]line)
	}
	in.last[id] = line{s.Time, max(text[1].Uint(), before.place), text[1].Exists()}
	in.newest = s.Time
	return nil
}

// WasDelivered reports whether the delivery was recorded as delivered after an earlier one, and after its message was stored:
// by the history as it was at asOf, or later.
func (o *Outcomes) WasDelivered(ctx context.Context, d *delivery.Delivery, m *Message, asOf time.Time) (bool, error) {
	of := o.endpoints.glance(d.Endpoint)
	of.mu.Lock()
	defer of.mu.Unlock()
	of.forgetBefore(m.Opened)
	if of.begun.IsZero() || m.Stored.Before(of.whole) || m.Stored.Before(of.dropped) {
		if err := of.begin(ctx, o.history, d.Endpoint, m.Stored, longestHold); err != nil {
			return false, err
		}
	}
	if !of.read.After(asOf) || time.Since(of.read) > RereadAfter {
		if err := of.readOn(ctx); err != nil {
			return false, err
		}
	}
	for _, id := range []string{d.ID(), d.FormerID()} {
		if l, found := of.find(id); found && l.since(d, m.Stored) {
			return true, nil
		}
	}
	return false, nil
}

func earliest(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
