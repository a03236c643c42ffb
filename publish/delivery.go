package publish

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"jethook/publish/groupcommit"
	"jethook/publish/topology"
)

// Headers of a delivery that waits or is dead, beside those of its event.
const (
	headerEndpoint = "Jethook-Endpoint"
	headerSubject  = "Jethook-Subject"
	headerSequence = "Jethook-Sequence"
	headerAttempt  = "Jethook-Attempt"
	headerDue      = "Jethook-Due"
	headerWhy      = "Jethook-Why"
	headerReason   = "Jethook-Reason"
	headerClass    = "Jethook-Class"
	headerStatus   = "Jethook-Status"
	headerReplays  = "Jethook-Replays"
	headerPutOff   = "Jethook-Put-Off"
	headerFirst    = "Jethook-First-Attempt"
	headerFollows  = "Jethook-Follows"

	headerSchedule       = "Nats-Schedule"
	headerScheduleTarget = "Nats-Schedule-Target"
	headerScheduler      = "Nats-Scheduler"
	headerScheduleNext   = "Nats-Schedule-Next"
	headerExpectedSeq    = "Nats-Expected-Last-Subject-Sequence"
	headerExpectedSubj   = "Nats-Expected-Last-Subject-Sequence-Subject"
)

// Delivery is one event on its way to one endpoint: the unit that is delivered, waits, or is dead.
type Delivery struct {
	Endpoint string    // the endpoint's id
	Event    Event     // Header is not kept: it is no part of a delivery
	Attempt  int       // the attempt to be made next, from 1; of a dead one, the attempts that were made
	Due      time.Time // of a waiting one: when
	Why      Why       // of a waiting one: why it waits
	Reason   string    // what the last attempt failed of; of a dead one, why it is dead
	Class    string    // the kind of that, from a closed set; empty: there was no attempt
	Status   int       // of the response to the last attempt; 0: there was none
	PutOff   time.Time // since when its endpoint has asked for pauses instead of taking it; zero: it has not
	Since    time.Time // when it was stored; read only
	First    string    // trace context of its first attempt, which later ones link to; empty: that was not traced

	seq     uint64 // of the stored message; read only
	came    bool   // it was stored, and came due
	replays uint64 // of one that came due: sequence of the dead letter that it replays; read only
	follows uint64 // see Follows
	placed  bool   // follows is known
}

// Follow notes of what is to be stored where the message of the attempt lies in DELIVERIES that it follows; 0: it follows the
// first attempt of an event, which is made from another stream.
func (d *Delivery) Follow(place uint64) { d.follows, d.placed = place, true }

// Follows returns the place in DELIVERIES up to which attempts of the delivery are earlier than this message of it. An attempt
// from a higher place was made because of this message, or after it: no clock has to tell. It is not known of what an
// earlier release has stored.
func (d *Delivery) Follows() (place uint64, known bool) { return d.follows, d.placed }

// Why says for what a delivery waits. The set is closed.
type Why string

// What a delivery waits for.
const (
	WhyRetry      Why = "retry"      // its place in the retry schedule
	WhyTurn       Why = "turn"       // room at an endpoint for which more comes due than its lane can hold
	WhyAsked      Why = "asked"      // the end of a pause that its endpoint asked for
	WhyDisabled   Why = "disabled"   // its endpoint is disabled
	WhyUnreadable Why = "unreadable" // its endpoint's record can't be read
)

// maxKeyBytes bounds the readable form of a delivery's key.
const maxKeyBytes = 96

// maxSourceBytes bounds the source in it.
const maxSourceBytes = 64

// Key names the event's id within all of Jethook: equal for every copy of the event, different for equal ids of different
// senders. Two events may share one, where the deduplication window does not keep the later one out. It is one subject token, and readable when the event's id is. Who publishes to webhooks. directly may name a
// source that no setting allows: one that is too long for a subject, or that no request for the delivery could name.
func (e *Event) Key() string {
	source := e.Source
	switch {
	case source == "":
		source = "events"
	case len(source) > maxSourceBytes || strings.ContainsFunc(source, notKeyRune):
		source = HashID(source)
	}
	key := source + ":" + e.ID
	if len(key) > maxKeyBytes || strings.ContainsFunc(e.ID, notKeyRune) {
		// "~" is no key rune, so that no readable key equals a hashed one.
		return source + ":~" + strings.TrimPrefix(HashID(e.ID), "sha256-")
	}
	return key
}

func notKeyRune(r rune) bool {
	return !(r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '-' || r == '_')
}

// ID names the delivery: its endpoint, its event's key, and the place of the event in its stream, since a later event may
// have the same id.
func (d *Delivery) ID() string {
	id := d.FormerID()
	if d.Event.seq == 0 { // stored by a release that named deliveries so
		return id
	}
	return id + "." + placeToken(d.Event.seq)
}

// placeToken is a place in a stream as the last token of a delivery's id.
func placeToken(seq uint64) string { return strconv.FormatUint(seq, 36) }

// HasPlace reports whether a delivery's id names the place of its event.
func HasPlace(id string) bool { return strings.Count(id, ".") > 1 }

// PlaceOf reads the place of the event out of a delivery's id; false: it names none.
func PlaceOf(id string) (endpoint, key string, place uint64, ok bool) {
	parts := strings.Split(id, ".")
	if len(parts) != 3 {
		return "", "", 0, false
	}
	place, err := strconv.ParseUint(parts[2], 36, 64)
	return parts[0], parts[1], place, err == nil && place > 0
}

// FormerID is what releases called the delivery that told events apart by their ids alone. What they stored keeps it.
func (d *Delivery) FormerID() string { return d.Endpoint + "." + d.Event.Key() }

// anywhere matches the subjects of a delivery in DELIVERIES, whether it waits or came due. A write on the condition
// that the last message there is a certain one, or that there is none, can't make two of one delivery.
func anywhere(id string) string { return "jethook.*." + id }

// msg encodes d without its subject.
func (d *Delivery) msg() *nats.Msg {
	e := &d.Event
	h := make(nats.Header, 16)
	set := func(name, value string) {
		if value != "" {
			h[name] = []string{value}
		}
	}
	set(HeaderID, e.ID)
	set(HeaderType, e.Type)
	set(HeaderSource, e.Source)
	set(HeaderReceived, e.Received.UTC().Format(time.RFC3339Nano))
	set(HeaderContentType, e.ContentType)
	set(HeaderTraceparent, e.Traceparent)
	for name, value := range e.Forward {
		set(HeaderForward+name, value)
	}
	set(headerEndpoint, d.Endpoint)
	set(headerSubject, e.Subject)
	if e.seq != 0 {
		set(headerSequence, strconv.FormatUint(e.seq, 10))
	}
	set(headerAttempt, strconv.Itoa(d.Attempt))
	set(headerReason, headerText(d.Reason))
	set(headerClass, d.Class)
	if d.Status != 0 {
		set(headerStatus, strconv.Itoa(d.Status))
	}
	if d.placed {
		set(headerFollows, strconv.FormatUint(d.follows, 10))
	}
	if !d.PutOff.IsZero() {
		set(headerPutOff, d.PutOff.UTC().Format(time.RFC3339Nano))
	}
	set(headerFirst, d.First)
	if !d.Due.IsZero() {
		set(headerDue, d.Due.UTC().Format(time.RFC3339Nano))
		set(headerWhy, string(d.Why))
	}
	d.setBody(h)
	return &nats.Msg{Header: h, Data: e.Body}
}

// headerText makes any text fit into a header.
func headerText(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
	if len(s) > 512 {
		s = strings.ToValidUTF8(s[:512], "")
	}
	return s
}

// errNoDelivery means that a message on one of Jethook's own subjects is none of Jethook's.
var errNoDelivery = errors.New("not a delivery")

// followsItself stands for the place before that of the message itself, which its writer does not know.
const followsItself = "-"

// parseDelivery decodes a message that Delivery.msg made, and that lies at a place in its stream.
func parseDelivery(h nats.Header, body []byte, place uint64) (Delivery, error) {
	attempt, err := strconv.Atoi(h.Get(headerAttempt))
	if err != nil || attempt < 1 || h.Get(headerEndpoint) == "" || h.Get(HeaderID) == "" {
		return Delivery{}, errNoDelivery
	}
	d := Delivery{
		Endpoint: h.Get(headerEndpoint),
		Event:    eventOf(h, body),
		Attempt:  attempt,
		Why:      Why(h.Get(headerWhy)),
		Reason:   h.Get(headerReason),
		Class:    h.Get(headerClass),
		First:    h.Get(headerFirst),
		seq:      place,
	}
	switch follows := h.Get(headerFollows); follows {
	case followsItself:
		d.Follow(place - 1)
	default:
		d.follows, err = strconv.ParseUint(follows, 10, 64)
		d.placed = err == nil
	}
	d.Status, _ = strconv.Atoi(h.Get(headerStatus)) // absent when there was no response
	d.Event.Subject = h.Get(headerSubject)
	d.Event.seq, _ = strconv.ParseUint(h.Get(headerSequence), 10, 64) // absent on one of an earlier release
	d.PutOff, _ = time.Parse(time.RFC3339Nano, h.Get(headerPutOff))   // absent unless it was
	d.Due, _ = time.Parse(time.RFC3339Nano, h.Get(headerDue))         // absent on a dead one
	d.replays, _ = strconv.ParseUint(h.Get(headerReplays), 10, 64)    // absent on all but replays
	d.readBody(h)
	return d, nil
}

// eventOf decodes the headers of an event.
func eventOf(h nats.Header, body []byte) Event {
	received, _ := time.Parse(time.RFC3339Nano, h.Get(HeaderReceived)) // absent when a service published it
	return Event{
		ID: h.Get(HeaderID), Type: h.Get(HeaderType), Source: h.Get(HeaderSource), Received: received,
		ContentType: h.Get(HeaderContentType), Traceparent: h.Get(HeaderTraceparent), Body: body,
		Forward: forwarded(h),
	}
}

// Schedule stores that d is to be attempted at d.Due, which it makes later where very many come due at that time; done is
// told once that is acknowledged. A delivery has one schedule: a later call for the same event and endpoint replaces the
// earlier. Of a large body only what [Bus.MustCarry] says is stored.
func (b *Bus) Schedule(d *Delivery, done func(error)) {
	d.Due = b.calendar.book(d.Due)
	m := b.scheduled(d)
	if !d.came { // else it takes the place of the message that did
		if err := b.space.take(b, m.Size()); err != nil {
			done(err)
			return
		}
	}
	b.deliveries.Enqueue(m, func(_ groupcommit.Receipt, err error) { done(err) })
}

// ScheduleUnlessMoved is Schedule on the condition that the delivery's last message in DELIVERIES is the one at a place; 0: that it
// has none. ErrConflict: somebody else has gone on with the delivery.
func (b *Bus) ScheduleUnlessMoved(d *Delivery, place uint64, done func(error)) {
	d.Due = b.calendar.book(d.Due)
	m := b.scheduled(d)
	expect(m, d.ID(), place)
	if place == 0 && !d.came {
		if err := b.space.take(b, m.Size()); err != nil {
			done(err)
			return
		}
	}
	b.deliveries.Enqueue(m, func(_ groupcommit.Receipt, err error) { done(err) })
}

func (b *Bus) scheduled(d *Delivery) *nats.Msg {
	m := b.waiting(d)
	m.Subject = topology.RetryPrefix + d.ID()
	m.Header[headerSchedule] = []string{"@at " + d.Due.UTC().Format(time.RFC3339Nano)}
	m.Header[headerScheduleTarget] = []string{topology.DuePrefix + d.ID()}
	return m
}

// Bury stores d as a dead letter; done is told once that is acknowledged. Burying one twice keeps one. A large body is
// stored before, which is waited for.
func (b *Bus) Bury(d *Delivery, done func(error)) {
	m, err := b.letter(d)
	if err != nil {
		done(err)
		return
	}
	m.Subject = topology.DeadPrefix + d.ID()
	b.dead.Enqueue(m, func(_ groupcommit.Receipt, err error) { done(err) })
}
