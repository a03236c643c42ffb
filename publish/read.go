package publish

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"jethook/publish/crashpoint"
	"jethook/publish/failure"
	"jethook/publish/topology"
)

// Consumer opens the consumer of a queue.
func (b *Bus) Consumer(ctx context.Context, q topology.Queue) (*Consumer, error) {
	conn := b.connectionFor(q.Stream)
	c, err := topology.EnsureConsumer(ctx, conn.JS, q)
	if err != nil {
		return nil, err
	}
	return &Consumer{Consumer: c, conn: conn}, nil
}

// DecodeEvent reads an event from the bus, whoever published it: its id is its Jethook-Id, or else its
// Nats-Msg-Id, or else its place in the stream.
func DecodeEvent(m jetstream.Msg) (Event, error) {
	meta, err := m.Metadata()
	if err != nil {
		return Event{}, fmt.Errorf("reading an event's place: %w", err)
	}
	crashpoint.Reach("read", "", m.Data())
	return decodeEvent(m.Subject(), m.Headers(), m.Data(), meta.Stream, meta.Sequence.Stream, meta.Timestamp), nil
}

func decodeEvent(subject string, h nats.Header, body []byte, stream string, seq uint64, at time.Time) Event {
	e := eventOf(h, body)
	e.Subject, e.seq, e.inStream, e.stored = subject, seq, true, at
	if e.ID == "" {
		e.ID = h.Get(HeaderMsgID)
	}
	if e.ID = CleanID(e.ID); e.ID == "" {
		e.ID = stream + "-" + strconv.FormatUint(seq, 10)
	}
	if stream != topology.StreamWebhooks {
		e.Source = "" // only a received webhook has one, whatever a service writes
	} else {
		e.readObject(h)
		e.Source, _, _ = strings.Cut(strings.TrimPrefix(subject, WebhooksPrefix), ".")
	}
	if e.Type == "" {
		e.Type = strings.TrimPrefix(subject, EventsPrefix)
	}
	e.Type = CleanType(e.Type)
	if e.Received.IsZero() {
		e.Received = at
	}
	if !ValidTraceparent(e.Traceparent) {
		e.Traceparent = NewTraceparent()
	}
	return e
}

// Unread is what is known of an event without decoding it: that ends the process that does it. Its id is its place.
func Unread(stream, subject string, seq uint64, at time.Time, body []byte) Event {
	e := Event{ID: stream + "-" + strconv.FormatUint(seq, 10), Type: UnknownType, Subject: subject, Received: at, Body: body, seq: seq}
	if stream == topology.StreamWebhooks {
		e.Source, _, _ = strings.Cut(strings.TrimPrefix(subject, WebhooksPrefix), ".")
	}
	return e
}

// UnreadDelivery is what is known of a delivery that came due without decoding it: whose it is and, if its key is readable,
// of which event, so that it stays the same delivery.
func UnreadDelivery(subject string, seq uint64, at time.Time, body []byte) Delivery {
	d := Delivery{Event: Unread(topology.StreamDeliveries, subject, seq, at, body), Attempt: 1}
	d.Event.seq = 0
	tokens := strings.SplitN(subject, ".", 5)
	if len(tokens) < 4 {
		return d
	}
	d.Endpoint = tokens[2]
	if len(tokens) == 5 {
		d.Event.seq, _ = strconv.ParseUint(tokens[4], 36, 64) // if it is none of Jethook's, it has no place
	}
	source, id, ok := strings.Cut(tokens[3], ":")
	if !ok || strings.HasPrefix(id, "~") {
		return d
	}
	d.Event.ID = id
	if source != "events" { // see Event.Key
		d.Event.Source = source
	}
	return d
}

// DecodeDelivery reads a delivery that came due.
func DecodeDelivery(m jetstream.Msg) (Delivery, error) {
	crashpoint.Reach("read", "", m.Data())
	return parseDelivery(m.Headers(), m.Data())
}

// Waiting returns the schedule of a delivery, or ErrNotFound when it waits for nothing.
func (b *Bus) Waiting(ctx context.Context, id string) (Delivery, error) {
	return b.lastDelivery(ctx, topology.StreamDeliveries, topology.RetryPrefix+id)
}

// Dead returns the dead letter of a delivery, or ErrNotFound when it is not dead.
func (b *Bus) Dead(ctx context.Context, id string) (Delivery, error) {
	return b.lastDelivery(ctx, topology.StreamDead, topology.DeadPrefix+id)
}

func (b *Bus) lastDelivery(ctx context.Context, stream, subject string) (Delivery, error) {
	s, err := b.last(ctx, stream, subject)
	if err != nil {
		return Delivery{}, err
	}
	return s.Delivery()
}

// Forget removes all that waits for an endpoint and its dead letters, and where it stood in the streams if it lagged, also
// when that can't be read: the endpoint is no more.
func (b *Bus) Forget(ctx context.Context, endpoint string) error {
	for _, f := range []struct{ stream, subject string }{
		{topology.StreamDeliveries, topology.RetryPrefix + endpoint + ".>"},
		{topology.StreamDeliveries, topology.DuePrefix + endpoint + ".>"},
		{topology.StreamDeliveries, topology.TurnPrefix + endpoint + ".>"},
		{topology.StreamDead, topology.DeadPrefix + endpoint + ".>"},
	} {
		if err := b.streams[f.stream].Purge(ctx, jetstream.WithPurgeSubject(f.subject)); err != nil {
			return fmt.Errorf("purging %s: %w", f.subject, failure.Classify(err))
		}
	}
	for _, stream := range OrderedStreams {
		if err := b.forgetCursor(ctx, stream, endpoint); err != nil {
			return err
		}
	}
	return nil
}

// forgetCursor removes an endpoint's record in the cursors' bucket, and then its consumers, if there is a record.
func (b *Bus) forgetCursor(ctx context.Context, stream, endpoint string) error {
	key := endpoint + "." + stream
	_, err := b.Cursors().Get(ctx, key)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return nil
	}
	if err == nil {
		err = b.Cursors().Delete(ctx, key)
	}
	if err != nil {
		return fmt.Errorf("removing the cursor %s: %w", key, failure.Classify(err))
	}
	all, err := b.Ordered(ctx, stream) // the record may be one that can't be read
	for _, own := range all {
		if err == nil && own.Endpoint == endpoint {
			err = b.DropConsumer(ctx, own)
		}
	}
	return err
}

// Stored is a message as it lies in a stream.
type Stored struct {
	Subject string
	Seq     uint64
	Time    time.Time
	Header  nats.Header
	Data    []byte
	Cut     bool // Data is only the beginning

	size int // of the whole body
}

// Delivery decodes a stored delivery, waiting or dead.
func (s *Stored) Delivery() (Delivery, error) {
	d, err := parseDelivery(s.Header, s.Data)
	d.seq, d.Since = s.Seq, s.Time
	return d, err
}

// Shelf is a part of a stream that can be listed. An empty endpoint or outcome in its constructors means all.
type Shelf struct {
	stream, subject string
	whole           bool      // messages are read with their whole bodies
	since, until    time.Time // when they were stored; zero: any time
}

// RetryShelf lists deliveries that wait for their time.
func RetryShelf(endpoint string) Shelf {
	return Shelf{stream: topology.StreamDeliveries, subject: topology.RetryPrefix + orAny(endpoint) + ".>"}
}

// TurnShelf lists deliveries that got their turn and are being attempted, and DueShelf the others that came due.
func TurnShelf(endpoint string) Shelf {
	return Shelf{stream: topology.StreamDeliveries, subject: topology.TurnPrefix + orAny(endpoint) + ".>"}
}

// DueShelf lists deliveries that came due and are being attempted.
func DueShelf(endpoint string) Shelf {
	return Shelf{stream: topology.StreamDeliveries, subject: topology.DuePrefix + orAny(endpoint) + ".>"}
}

// DeadShelf lists dead letters.
func DeadShelf(endpoint string) Shelf {
	return Shelf{stream: topology.StreamDead, subject: topology.DeadPrefix + orAny(endpoint) + ".>"}
}

// HistoryShelf lists the history's lines with one outcome.
func HistoryShelf(endpoint, outcome string) Shelf {
	return Trait{Endpoint: endpoint, Outcome: outcome}.Shelf()
}

// SourceShelf lists a source's webhooks.
func SourceShelf(source string) Shelf {
	return Shelf{stream: topology.StreamWebhooks, subject: WebhooksPrefix + source + ".>"}
}

func orAny(token string) string {
	if token == "" {
		return "*"
	}
	return token
}

// directGet reads up to n messages of the shelf from sequence lo on. What it has read at last, got.last, may lie behind
// the messages that can be read.
func (b *Bus) directGet(ctx context.Context, sh Shelf, lo uint64, n int) (got fetched, err error) {
	return fetch(ctx, b.reads, sh, fetchQuery{Seq: lo, Subject: sh.subject, Batch: n, MaxBytes: readBytes})
}

// deadPreview is how many bytes of a dead letter's body a list shows.
const deadPreview = 16 << 10

// cut keeps the first n bytes of the body.
func (s *Stored) cut(n int) {
	if s.Cut = len(s.Data) > n; s.Cut {
		s.Data = bytes.Clone(s.Data[:n]) // a slice would keep the whole
	}
}

// Count returns how many messages the shelf holds and when the newest came; zero when there is none.
func (b *Bus) Count(ctx context.Context, sh Shelf) (n uint64, newest time.Time, err error) {
	s := b.shelves[sh.stream]
	info, err := s.Info(ctx, jetstream.WithSubjectFilter(sh.subject))
	if err != nil {
		return 0, newest, fmt.Errorf("counting %s: %w", sh.subject, failure.Classify(err))
	}
	for _, c := range info.State.Subjects {
		n += c
	}
	newest, err = b.NewestOf(ctx, sh)
	return n, newest, err
}
