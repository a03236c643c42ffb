package publish

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A delivery of a large body waits without it: the event has it, and a copy for each endpoint would cost gigabytes. Its
// message names the size instead, and the event's place is known anyway. A body is copied only where the event may
// not outlive the wait, and into a dead letter.
//
// Such a message reads nothing but its own event: the stream follows from the event's subject, and what lies at
// the place must have the same subject, id and size.

// LargeBody is from how many bytes on a body waits with its event. As many smaller ones as a process holds at once are
// no more than it may hold of bodies anyway.
const LargeBody = 64 << 10

// Headers of a delivery whose body waits with its event.
const (
	headerBodySize = "Jethook-Body-Size"
	headerStored   = "Jethook-Stored" // when the event was stored
)

// ErrBodyGone means that an event, whose body a delivery needs, is not in its stream any more.
var ErrBodyGone = errors.New("the event, which has the body, is not in its stream any more")

// maxMargin is how long, at most, an event must outlive a delivery's time for its body to wait with it. It is for clocks
// that differ, processes that are down, and attempts that are put off.
const maxMargin = 24 * time.Hour

// keeping is how long the streams of events keep an event, by stream; 0: for ever. Those that may drop one earlier, since
// they are full or are told to, are not in it.
type keeping map[string]time.Duration

func keepingOf(streams map[string]jetstream.Stream) keeping {
	k := make(keeping)
	for _, name := range []string{StreamWebhooks, StreamEvents, StreamOps} {
		c := streams[name].CachedInfo().Config
		dropsOld := c.Discard != jetstream.DiscardNew && (c.MaxBytes > 0 || c.MaxMsgs > 0)
		dropsOfSubject := c.MaxMsgsPerSubject > 0 && !c.DiscardNewPerSubject
		if !dropsOld && !dropsOfSubject && !c.AllowRollup && !c.AllowMsgTTL {
			k[name] = c.MaxAge
		}
	}
	return k
}

// until reports whether the event's stream keeps it for well beyond a time.
func (k keeping) until(e *Event, t time.Time) bool {
	age, ok := k[streamOf(e.Subject)]
	return ok && e.inStream && e.seq != 0 && (age == 0 || t.Before(e.stored.Add(age-min(age/4, maxMargin))))
}

// BodySize is the size of the event's body, wherever it is.
func (d *Delivery) BodySize() int { return max(d.Event.away, len(d.Event.Body)) }

// Detached reports whether the event has the body, and d has not.
func (d *Delivery) Detached() bool { return d.Event.away > 0 && len(d.Event.Body) == 0 }

// Detach drops the body. If the event is known to have it, d refers to that.
func (d *Delivery) Detach() {
	if d.Event.inStream {
		d.Event.away = d.BodySize()
	}
	d.Event.Body = nil
}

// Place names the event's place in its stream, such as EVENTS-17.
func (e *Event) Place() string { return streamOf(e.Subject) + "-" + strconv.FormatUint(e.seq, 10) }

// MustCarry reports whether d is stored with a copy of its large body until it is due.
func (b *Bus) MustCarry(d *Delivery) bool {
	return d.BodySize() >= LargeBody && !b.keeping.until(&d.Event, d.Due)
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
	if d.Detached() {
		h[headerBodySize] = []string{strconv.Itoa(d.Event.away)}
		h[headerStored] = []string{d.Event.stored.UTC().Format(time.RFC3339Nano)}
	}
}

// readBody reads what setBody noted.
func (d *Delivery) readBody(h nats.Header) {
	size, err := strconv.Atoi(h.Get(headerBodySize))
	if err != nil || size <= 0 {
		return
	}
	d.Event.inStream, d.Event.away = true, size
	d.Event.stored, _ = time.Parse(time.RFC3339Nano, h.Get(headerStored)) // without it the event counts as old
}

// Body returns the body of a delivery, from its event if need be. The error is ErrBodyGone when that is not in its stream
// any more.
func (b *Bus) Body(ctx context.Context, d *Delivery) ([]byte, error) {
	if !d.Detached() {
		return d.Event.Body, nil
	}
	e := &d.Event
	found, err := b.Read(ctx, streamOf(e.Subject), e.seq)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, ErrBodyGone
	case err != nil:
		return nil, err
	case found.Subject != e.Subject || found.ID != e.ID || len(found.Body) != e.away:
		return nil, ErrBodyGone // the stream was made anew
	}
	return found.Body, nil
}

// findBody looks whether the event of a dead letter still has the letter's large body, which then need not be copied.
func (b *Bus) findBody(ctx context.Context, d *Delivery) {
	e := &d.Event
	if len(e.Body) < LargeBody || e.inStream {
		return
	}
	found, err := b.Read(ctx, streamOf(e.Subject), e.seq)
	if err == nil && found.Subject == e.Subject && found.ID == e.ID && bytes.Equal(found.Body, e.Body) {
		e.inStream, e.stored = true, found.Time
	}
}
