package publish

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"jethook/publish/connection"
	"jethook/publish/failure"
	"jethook/publish/groupcommit"
	"jethook/publish/query"
	"jethook/publish/topology"
)

// A delivery of a large body waits without it: the event has it, and a copy for each endpoint would cost gigabytes. Its
// message names the size instead, and the event's place is known anyway. It holds a copy only where the event may not
// outlive the wait. A dead letter, which outlives the event, holds the beginning, and all letters of an event share one
// copy that is kept beside them.
//
// Such a message reads nothing but its own event: the stream follows from the event's subject, and what lies at
// the place must have the same subject, id and size.

// LargeBody is from how many bytes on a body waits with its event. As many smaller ones as a process holds at once are
// no more than it may hold of bodies anyway.
const LargeBody = 64 << 10

// Headers of a delivery whose body waits with its event.
const (
	headerBodySize = "Jethook-Body-Size"
	headerStored   = "Jethook-Stored"    // when the event was stored
	headerBodyKept = "Jethook-Body-Kept" // of a dead letter: the day on which the body was kept
)

// ErrBodyGone means that an event, whose body a delivery needs, is not in its stream any more.
var ErrBodyGone = errors.New("the event, which has the body, is not in its stream any more")

// maxMargin is how long, at most, an event must outlive a delivery's time for its body to wait with it. It is for clocks
// that differ, processes that are down, and attempts that are put off.
const maxMargin = 24 * time.Hour

// outlives reports whether the event's stream keeps it for well beyond a time.
func (e *Event) outlives(k topology.Keeping, t time.Time) bool {
	age, ok := k[topology.StreamOf(e.Subject)]
	return ok && e.inStream && e.seq != 0 && (age == 0 || t.Before(e.stored.Add(age-min(age/4, maxMargin))))
}

// BodySize is the size of the event's body, wherever it is.
func (d *Delivery) BodySize() int { return max(d.Event.away, len(d.Event.Body)) }

// Detached reports whether the event has the body, and d has not.
func (d *Delivery) Detached() bool { return d.Event.away > 0 && len(d.Event.Body) == 0 }

// Detach drops the body. If the event is known to have it, d refers to that.
func (d *Delivery) Detach() {
	if d.Event.inStream || d.Event.object != "" {
		d.Event.away = d.BodySize()
	}
	d.Event.Body = nil
}

// BodyKey is equal for deliveries whose events have one body. A place alone does not tell: the stream may have been made
// anew.
func (d *Delivery) BodyKey() string {
	e := &d.Event
	if e.object != "" {
		return HashID(e.object, e.digest, strconv.Itoa(d.BodySize()))
	}
	return HashID(e.Subject, e.ID, placeToken(e.seq), strconv.Itoa(d.BodySize()))
}

// MustCarry reports whether d is stored with a copy of its large body until it is due.
func (b *Bus) MustCarry(d *Delivery) bool {
	return d.BodySize() >= LargeBody && d.Event.object == "" && !d.Event.outlives(b.keeping, d.Due)
}

// waiting encodes a delivery that waits, without its subject, and with its body only if it must carry that. One that must
// and has it not goes without.
func (b *Bus) waiting(d *Delivery) *nats.Msg {
	if len(d.Event.Body) >= LargeBody && !b.MustCarry(d) {
		light := *d
		light.Detach()
		d = &light
	}
	return d.msg()
}

// setBody notes in a delivery's header where the body is, if it is not in the message.
func (d *Delivery) setBody(h nats.Header) {
	if d.Event.object != "" {
		d.Event.setObject(h, d.BodySize())
	} else if d.Detached() {
		h[headerBodySize] = []string{strconv.Itoa(d.Event.away)}
		h[headerStored] = []string{d.Event.stored.UTC().Format(time.RFC3339Nano)}
	}
}

// letter encodes a dead letter, without its subject, and keeps its body, if that is large.
func (b *Bus) letter(d *Delivery) (*nats.Msg, error) {
	body := d.Event.Body
	if len(body) < LargeBody || d.Event.seq == 0 || topology.StreamOf(d.Event.Subject) == "" {
		return d.msg(), nil
	}
	light := *d
	if d.Event.object == "" && int64(len(body)) > b.fits && b.aside { // it came when messages could be larger
		ctx, cancel := context.WithTimeout(context.Background(), asideTime)
		defer cancel()
		if err := b.setAside(ctx, &light.Event); err != nil {
			return nil, fmt.Errorf("keeping the body of %s: %w", d.ID(), err)
		}
	}
	if light.Event.object != "" { // which outlives the letter
		light.Event.Body, light.Event.away = nil, len(body)
		m := light.msg()
		m.Data = body[:query.DeadPreview]
		return m, nil
	}
	light.Event.kept = strconv.FormatInt(time.Now().Unix()/int64(aDay/time.Second), 10)
	if err := b.keep(&light); err != nil {
		return nil, err
	}
	light.Event.Body, light.Event.away = nil, len(body)
	m := light.msg()
	m.Data = body[:query.DeadPreview]
	m.Header[headerBodyKept] = []string{light.Event.kept}
	return m, nil
}

// aDay is how long letters share a copy of their body: it may be gone by so much earlier than the last of them.
const aDay = 24 * time.Hour

// keptSubject is where the body is kept for dead letters of one day. It has too few tokens to be a letter's.
func (d *Delivery) keptSubject() string {
	return topology.DeadPrefix + d.BodyKey() + "-" + d.Event.kept
}

// keep stores the body for dead letters of one day, unless it is stored.
func (b *Bus) keep(d *Delivery) error {
	ctx, cancel := context.WithTimeout(context.Background(), groupcommit.Timeout)
	defer cancel()
	subject := d.keptSubject()
	info, err := b.reader.Stream(topology.StreamDead).Info(ctx, jetstream.WithSubjectFilter(subject))
	if err != nil {
		return fmt.Errorf("looking for %s: %w", subject, failure.Classify(err))
	}
	if len(info.State.Subjects) > 0 {
		return nil
	}
	m := &nats.Msg{Subject: subject, Header: nats.Header{headerExpectedSeq: {"0"}, headerExpectedSubj: {subject}}, Data: d.Event.Body}
	if _, err := b.dead.Publish(ctx, m); err != nil && !errors.Is(err, failure.ErrConflict) { // else another letter's came first
		return fmt.Errorf("keeping the body of %s: %w", d.ID(), err)
	}
	return nil
}

// readBody reads what setBody noted.
func (d *Delivery) readBody(h nats.Header) {
	size, err := strconv.Atoi(h.Get(headerBodySize))
	if err != nil || size <= 0 {
		return
	}
	if d.Event.readObject(h) {
		d.Event.Body = nil // a dead letter has the beginning
		return
	}
	d.Event.away = size
	if kept := h.Get(headerBodyKept); kept != "" {
		d.Event.kept, d.Event.Body = kept, nil // it is only the beginning
		return
	}
	d.Event.inStream = true
	d.Event.stored, _ = time.Parse(time.RFC3339Nano, h.Get(headerStored)) // without it the event counts as old
}

// Body returns the body of a delivery, from where it is kept or from its event if need be. The error is ErrBodyGone when
// it is in neither.
func (b *Bus) Body(ctx context.Context, d *Delivery) ([]byte, error) {
	if !d.Detached() {
		return d.Event.Body, nil
	}
	if d.Event.object != "" {
		return object(ctx, b.reads, &d.Event)
	}
	if d.Event.kept != "" {
		body, err := b.keptBody(ctx, d)
		if !errors.Is(err, ErrBodyGone) {
			return body, err
		}
	}
	found, err := b.whole(ctx, &d.Event)
	if err == nil && !found.has(d) { // the stream was made anew
		err = ErrBodyGone
	}
	return found.Body, err
}

func (b *Bus) keptBody(ctx context.Context, d *Delivery) ([]byte, error) {
	s, err := b.reader.Last(ctx, topology.StreamDead, d.keptSubject())
	if errors.Is(err, failure.ErrNotFound) {
		err = isGone(b.reads, func(js nats.JetStreamContext) error {
			_, err := js.GetLastMsg(topology.StreamDead, d.keptSubject(), nats.Context(ctx))
			return err
		})
	}
	return s.Data, err
}

// whole reads the event that lies in e's place; ErrBodyGone when there is none any more.
func (b *Bus) whole(ctx context.Context, e *Event) (Head, error) {
	stream := topology.StreamOf(e.Subject)
	if stream == "" || e.seq == 0 {
		return Head{}, ErrBodyGone
	}
	found, err := b.Read(ctx, stream, e.seq)
	if errors.Is(err, failure.ErrNotFound) {
		err = isGone(b.reads, func(js nats.JetStreamContext) error {
			_, err := js.GetMsg(stream, e.seq, nats.Context(ctx))
			return err
		})
	}
	return found, err
}

// has reports whether h is the event of d, and has its body.
func (h *Head) has(d *Delivery) bool {
	return h.Subject == d.Event.Subject && h.ID == d.Event.ID && len(h.Body) == d.BodySize()
}

// isGone returns ErrBodyGone when the leader of a stream says so: a replica that lags may not have a message yet, and
// nothing may be given up because of that.
func isGone(c *connection.Conn, ask func(nats.JetStreamContext) error) error {
	js, err := c.JetStream(nats.APIPrefix(c.API("")))
	if err == nil {
		err = ask(js)
	}
	switch {
	case errors.Is(err, nats.ErrMsgNotFound):
		return ErrBodyGone
	case err != nil:
		return fmt.Errorf("asking for a body: %w", failure.Classify(err))
	}
	return fmt.Errorf("asking for a body: %w: a replica lags behind", failure.ErrUnavailable)
}

// replayBytes bounds the large bodies that replays are stored with at once.
const replayBytes = 16 << 20

// readyToReplay gives the first of some dead letters what their replays are stored with, and returns how many: a large body
// only where the event has it no more.
func (b *Bus) readyToReplay(ctx context.Context, dead []Delivery) (n int, err error) {
	found := make(map[string]Event) // by the key of its body
	bytes := 0
	for ; n < len(dead); n++ {
		d := &dead[n]
		if d.BodySize() < LargeBody || d.Event.inStream || d.Event.object != "" || d.Event.seq == 0 {
			continue
		}
		key := d.BodyKey()
		e, ok := found[key]
		if !ok {
			if e, err = b.whereBody(ctx, d); err != nil {
				return n, err
			}
			found[key] = e
		}
		if bytes += len(e.Body); bytes > replayBytes && n > 0 {
			break
		}
		d.Event.inStream, d.Event.stored, d.Event.Body, d.Event.away = e.inStream, e.stored, e.Body, e.away
	}
	return n, nil
}

// whereBody looks whether the event of a dead letter still has the letter's large body, and returns the letter's event so,
// or else with its body. If there is none any more, whoever attempts the delivery finds that out.
func (b *Bus) whereBody(ctx context.Context, d *Delivery) (Event, error) {
	e := d.Event
	found, err := b.whole(ctx, &e)
	switch {
	case err != nil && !errors.Is(err, ErrBodyGone):
		return e, err
	case err == nil && found.has(d):
		e.inStream, e.stored, e.away, e.Body = true, found.Time, d.BodySize(), nil
		return e, nil
	}
	if e.Body, err = b.Body(ctx, d); err != nil && !errors.Is(err, ErrBodyGone) {
		return e, err
	}
	return e, nil
}
