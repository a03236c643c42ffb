package delivery

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"jethook/publish/aside"
	"jethook/publish/event"
	"jethook/publish/eventlog"
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
	headerStored   = "Jethook-Stored"    // when the event was stored
	headerBodyKept = "Jethook-Body-Kept" // of a dead letter: the day on which the body was kept
)

// BodySize is the size of the event's body, wherever it is.
func (d *Delivery) BodySize() int { return max(d.Event.Away, len(d.Event.Body)) }

// Detached reports whether the event has the body, and d has not.
func (d *Delivery) Detached() bool { return d.Event.Away > 0 && len(d.Event.Body) == 0 }

// Detach drops the body. If the event is known to have it, d refers to that.
func (d *Delivery) Detach() {
	if d.Event.InStream || d.Event.Object != "" {
		d.Event.Away = d.BodySize()
	}
	d.Event.Body = nil
}

// BodyKey is equal for deliveries whose events have one body. A place alone does not tell: the stream may have been made
// anew.
func (d *Delivery) BodyKey() string {
	e := &d.Event
	if e.Object != "" {
		return event.HashID(e.Object, e.Digest, strconv.Itoa(d.BodySize()))
	}
	return event.HashID(e.Subject, e.ID, event.PlaceToken(e.Seq), strconv.Itoa(d.BodySize()))
}

// MustCarry reports whether d is stored with a copy of its large body until it is due.
func (s *Store) MustCarry(d *Delivery) bool {
	return d.BodySize() >= LargeBody && d.Event.Object == "" && !d.Event.Outlives(s.p.Keeping, d.Due)
}

// waiting encodes a delivery that waits, without its subject, and with its body only if it must carry that. One that must
// and has it not goes without.
func (s *Store) waiting(d *Delivery) *nats.Msg {
	if len(d.Event.Body) >= LargeBody && !s.MustCarry(d) {
		light := *d
		light.Detach()
		d = &light
	}
	return d.Msg()
}

// setBody notes in a delivery's header where the body is, if it is not in the message.
func (d *Delivery) setBody(h nats.Header) {
	if d.Event.Object != "" {
		d.Event.SetObject(h, d.BodySize())
	} else if d.Detached() {
		h[event.HeaderBodySize] = []string{strconv.Itoa(d.Event.Away)}
		h[headerStored] = []string{d.Event.Stored.UTC().Format(time.RFC3339Nano)}
	}
}

// letter encodes a dead letter, without its subject, and keeps its body, if that is large.
func (s *Store) letter(d *Delivery) (*nats.Msg, error) {
	body := d.Event.Body
	if len(body) < LargeBody || d.Event.Seq == 0 || topology.StreamOf(d.Event.Subject) == "" {
		return d.Msg(), nil
	}
	light := *d
	if d.Event.Object == "" && s.p.Bodies.Overflows(len(body)) { // it came when messages could be larger
		if err := s.p.Bodies.SetAside(context.Background(), &light.Event); err != nil {
			return nil, fmt.Errorf("keeping the body of %s: %w", d.ID(), err)
		}
	}
	if light.Event.Object != "" { // which outlives the letter
		light.Event.Body, light.Event.Away = nil, len(body)
		m := light.Msg()
		m.Data = body[:query.DeadPreview]
		return m, nil
	}
	light.Event.Kept = strconv.FormatInt(time.Now().Unix()/int64(aDay/time.Second), 10)
	if err := s.keep(&light); err != nil {
		return nil, err
	}
	light.Event.Body, light.Event.Away = nil, len(body)
	m := light.Msg()
	m.Data = body[:query.DeadPreview]
	m.Header[headerBodyKept] = []string{light.Event.Kept}
	return m, nil
}

// aDay is how long letters share a copy of their body: it may be gone by so much earlier than the last of them.
const aDay = 24 * time.Hour

// keptSubject is where the body is kept for dead letters of one day. It has too few tokens to be a letter's.
func (d *Delivery) keptSubject() string {
	return topology.DeadPrefix + d.BodyKey() + "-" + d.Event.Kept
}

// keep stores the body for dead letters of one day, unless it is stored.
func (s *Store) keep(d *Delivery) error {
	ctx, cancel := context.WithTimeout(context.Background(), groupcommit.Timeout)
	defer cancel()
	subject := d.keptSubject()
	info, err := s.p.Reader.Stream(topology.StreamDead).Info(ctx, jetstream.WithSubjectFilter(subject))
	if err != nil {
		return fmt.Errorf("looking for %s: %w", subject, failure.Classify(err))
	}
	if len(info.State.Subjects) > 0 {
		return nil
	}
	m := &nats.Msg{Subject: subject, Header: nats.Header{headerExpectedSeq: {"0"}, headerExpectedSubj: {subject}}, Data: d.Event.Body}
	if _, err := s.p.Dead.Publish(ctx, m); err != nil && !errors.Is(err, failure.ErrConflict) { // else another letter's came first
		return fmt.Errorf("keeping the body of %s: %w", d.ID(), err)
	}
	return nil
}

// readBody reads what setBody noted.
func (d *Delivery) readBody(h nats.Header) {
	size, err := strconv.Atoi(h.Get(event.HeaderBodySize))
	if err != nil || size <= 0 {
		return
	}
	if d.Event.ReadObject(h) {
		d.Event.Body = nil // a dead letter has the beginning
		return
	}
	d.Event.Away = size
	if kept := h.Get(headerBodyKept); kept != "" {
		d.Event.Kept, d.Event.Body = kept, nil // it is only the beginning
		return
	}
	d.Event.InStream = true
	d.Event.Stored, _ = time.Parse(time.RFC3339Nano, h.Get(headerStored)) // without it the event counts as old
}

// Body returns the body of a delivery, from where it is kept or from its event if need be. The error is ErrBodyGone when
// it is in neither.
func (s *Store) Body(ctx context.Context, d *Delivery) ([]byte, error) {
	if !d.Detached() {
		return d.Event.Body, nil
	}
	if d.Event.Object != "" {
		return aside.Object(ctx, s.p.Reads, &d.Event)
	}
	if d.Event.Kept != "" {
		body, err := s.keptBody(ctx, d)
		if !errors.Is(err, failure.ErrBodyGone) {
			return body, err
		}
	}
	found, err := s.whole(ctx, &d.Event)
	if err == nil && !hasBodyOf(&found, d) { // the stream was made anew
		err = failure.ErrBodyGone
	}
	return found.Body, err
}

func (s *Store) keptBody(ctx context.Context, d *Delivery) ([]byte, error) {
	kept, err := s.p.Reader.Last(ctx, topology.StreamDead, d.keptSubject())
	if errors.Is(err, failure.ErrNotFound) {
		err = aside.IsGone(s.p.Reads, func(js nats.JetStreamContext) error {
			_, err := js.GetLastMsg(topology.StreamDead, d.keptSubject(), nats.Context(ctx))
			return err
		})
	}
	return kept.Data, err
}

// whole reads the event that lies in e's place; ErrBodyGone when there is none any more.
func (s *Store) whole(ctx context.Context, e *event.Event) (eventlog.Head, error) {
	stream := topology.StreamOf(e.Subject)
	if stream == "" || e.Seq == 0 {
		return eventlog.Head{}, failure.ErrBodyGone
	}
	found, err := s.p.Archive.Read(ctx, stream, e.Seq)
	if errors.Is(err, failure.ErrNotFound) {
		err = aside.IsGone(s.p.Reads, func(js nats.JetStreamContext) error {
			_, err := js.GetMsg(stream, e.Seq, nats.Context(ctx))
			return err
		})
	}
	return found, err
}

// replayBytes bounds the large bodies that replays are stored with at once.
const replayBytes = 16 << 20

// readyToReplay gives the first of some dead letters what their replays are stored with, and returns how many: a large body
// only where the event has it no more.
func (s *Store) readyToReplay(ctx context.Context, dead []Delivery) (n int, err error) {
	found := make(map[string]event.Event) // by the key of its body
	bytes := 0
	for ; n < len(dead); n++ {
		d := &dead[n]
		if d.BodySize() < LargeBody || d.Event.InStream || d.Event.Object != "" || d.Event.Seq == 0 {
			continue
		}
		key := d.BodyKey()
		e, ok := found[key]
		if !ok {
			if e, err = s.whereBody(ctx, d); err != nil {
				return n, err
			}
			found[key] = e
		}
		if bytes += len(e.Body); bytes > replayBytes && n > 0 {
			break
		}
		d.Event.InStream, d.Event.Stored, d.Event.Body, d.Event.Away = e.InStream, e.Stored, e.Body, e.Away
	}
	return n, nil
}

// whereBody looks whether the event of a dead letter still has the letter's large body, and returns the letter's event so,
// or else with its body. If there is none any more, whoever attempts the delivery finds that out.
func (s *Store) whereBody(ctx context.Context, d *Delivery) (event.Event, error) {
	e := d.Event
	found, err := s.whole(ctx, &e)
	switch {
	case err != nil && !errors.Is(err, failure.ErrBodyGone):
		return e, err
	case err == nil && hasBodyOf(&found, d):
		e.InStream, e.Stored, e.Away, e.Body = true, found.Time, d.BodySize(), nil
		return e, nil
	}
	if e.Body, err = s.Body(ctx, d); err != nil && !errors.Is(err, failure.ErrBodyGone) {
		return e, err
	}
	return e, nil
}

// hasBodyOf reports whether h is the event of d, and has its body.
func hasBodyOf(h *eventlog.Head, d *Delivery) bool {
	return h.Subject == d.Event.Subject && h.ID == d.Event.ID && len(h.Body) == d.BodySize()
}
