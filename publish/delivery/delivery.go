package delivery

import (
	"errors"
	"log/slog"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"jethook/publish/aside"
	"jethook/publish/connection"
	"jethook/publish/event"
	"jethook/publish/eventlog"
	"jethook/publish/groupcommit"
	"jethook/publish/pull"
	"jethook/publish/query"
	"jethook/publish/removal"
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
	Endpoint string      // the endpoint's id
	Event    event.Event // Header is not kept: it is no part of a delivery
	Attempt  int         // the attempt to be made next, from 1; of a dead one, the attempts that were made
	Due      time.Time   // of a waiting one: when
	Why      Why         // of a waiting one: why it waits
	Reason   string      // what the last attempt failed of; of a dead one, why it is dead
	Class    string      // the kind of that, from a closed set; empty: there was no attempt
	Status   int         // of the response to the last attempt; 0: there was none
	PutOff   time.Time   // since when its endpoint has asked for pauses instead of taking it; zero: it has not
	Since    time.Time   // when it was stored; read only
	First    string      // trace context of its first attempt, which later ones link to; empty: that was not traced

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

// ID names the delivery: its endpoint, its event's key, and the place of the event in its stream, since a later event may
// have the same id.
func (d *Delivery) ID() string {
	id := d.FormerID()
	if d.Event.Seq == 0 { // stored by a release that named deliveries so
		return id
	}
	return id + "." + event.PlaceToken(d.Event.Seq)
}

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

// Msg encodes d without its subject.
func (d *Delivery) Msg() *nats.Msg {
	e := &d.Event
	h := make(nats.Header, 16)
	set := func(name, value string) {
		if value != "" {
			h[name] = []string{value}
		}
	}
	set(event.HeaderID, e.ID)
	set(event.HeaderType, e.Type)
	set(event.HeaderSource, e.Source)
	set(event.HeaderReceived, e.Received.UTC().Format(time.RFC3339Nano))
	set(event.HeaderContentType, e.ContentType)
	set(event.HeaderTraceparent, e.Traceparent)
	for name, value := range e.Forward {
		set(event.HeaderForward+name, value)
	}
	set(headerEndpoint, d.Endpoint)
	set(headerSubject, e.Subject)
	if e.Seq != 0 {
		set(headerSequence, strconv.FormatUint(e.Seq, 10))
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

// ParseDelivery decodes a message that Delivery.msg made, and that lies at a place in its stream.
func ParseDelivery(h nats.Header, body []byte, place uint64) (Delivery, error) {
	attempt, err := strconv.Atoi(h.Get(headerAttempt))
	if err != nil || attempt < 1 || h.Get(headerEndpoint) == "" || h.Get(event.HeaderID) == "" {
		return Delivery{}, errNoDelivery
	}
	d := Delivery{
		Endpoint: h.Get(headerEndpoint),
		Event:    event.EventOf(h, body),
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
	d.Event.Seq, _ = strconv.ParseUint(h.Get(headerSequence), 10, 64) // absent on one of an earlier release
	d.PutOff, _ = time.Parse(time.RFC3339Nano, h.Get(headerPutOff))   // absent unless it was
	d.Due, _ = time.Parse(time.RFC3339Nano, h.Get(headerDue))         // absent on a dead one
	d.replays, _ = strconv.ParseUint(h.Get(headerReplays), 10, 64)    // absent on all but replays
	d.readBody(h)
	return d, nil
}

// Store writes deliveries: those that wait, come due and are dead, and the history of each.
type Store struct {
	p        Parts
	calendar *calendar
	space    space
}

// Parts are what a store of deliveries works with.
type Parts struct {
	Reads                     *connection.Conn
	Reader                    *query.Reader
	Streams                   map[string]jetstream.Stream
	Endpoints                 jetstream.KeyValue // the registry: who is no more there has no deliveries
	Keeping                   topology.Keeping   // for how long events are kept
	Consumers                 *pull.Set
	Queues                    *pull.Queues
	Archive                   *eventlog.Archive
	Find                      *Finder
	Bodies                    *aside.Store
	Removal                   *removal.Remover
	Deliveries, Dead, History *groupcommit.Committer
	Log                       *slog.Logger
}

// New returns one.
func New(p Parts) *Store {
	s := &Store{p: p, calendar: newCalendar(perSlot * runtime.GOMAXPROCS(0))}
	s.space.limit(p.Streams[topology.StreamDeliveries].CachedInfo().Config.MaxBytes)
	return s
}

// Schedule stores that d is to be attempted at d.Due, which it makes later where very many come due at that time; done is
// told once that is acknowledged. A delivery has one schedule: a later call for the same event and endpoint replaces the
// earlier. Of a large body only what [Store.MustCarry] says is stored.
func (s *Store) Schedule(d *Delivery, done func(error)) {
	d.Due = s.calendar.book(d.Due)
	m := s.scheduled(d)
	if !d.came { // else it takes the place of the message that did
		if err := s.space.take(s.p.Streams[topology.StreamDeliveries], m.Size()); err != nil {
			done(err)
			return
		}
	}
	s.p.Deliveries.Enqueue(m, func(_ groupcommit.Receipt, err error) { done(err) })
}

// ScheduleUnlessMoved is Schedule on the condition that the delivery's last message in DELIVERIES is the one at a place; 0: that it
// has none. ErrConflict: somebody else has gone on with the delivery.
func (s *Store) ScheduleUnlessMoved(d *Delivery, place uint64, done func(error)) {
	d.Due = s.calendar.book(d.Due)
	m := s.scheduled(d)
	expect(m, d.ID(), place)
	if place == 0 && !d.came {
		if err := s.space.take(s.p.Streams[topology.StreamDeliveries], m.Size()); err != nil {
			done(err)
			return
		}
	}
	s.p.Deliveries.Enqueue(m, func(_ groupcommit.Receipt, err error) { done(err) })
}

func (s *Store) scheduled(d *Delivery) *nats.Msg {
	m := s.waiting(d)
	m.Subject = topology.RetryPrefix + d.ID()
	m.Header[headerSchedule] = []string{"@at " + d.Due.UTC().Format(time.RFC3339Nano)}
	m.Header[headerScheduleTarget] = []string{topology.DuePrefix + d.ID()}
	return m
}

// DeadLetter stores d as a dead letter; done is told once that is acknowledged. Burying one twice keeps one. A large body is
// stored before, which is waited for.
func (s *Store) DeadLetter(d *Delivery, done func(error)) {
	m, err := s.letter(d)
	if err != nil {
		done(err)
		return
	}
	m.Subject = topology.DeadPrefix + d.ID()
	s.p.Dead.Enqueue(m, func(_ groupcommit.Receipt, err error) { done(err) })
}
