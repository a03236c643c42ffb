package publish

import (
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
	"jethook/publish/query"
	"jethook/publish/topology"
)

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
		e.Source, _, _ = strings.Cut(strings.TrimPrefix(subject, topology.WebhooksPrefix), ".")
	}
	if e.Type == "" {
		e.Type = strings.TrimPrefix(subject, topology.EventsPrefix)
	}
	e.Type = CleanType(e.Type)
	if e.Received.IsZero() {
		e.Received = at
	}
	if !ValidTraceparent(e.Traceparent) {
		e.Traceparent = traceparentOf(stream, seq, at)
	}
	return e
}

// Unread is what is known of an event without decoding it: that ends the process that does it. Its id is its place.
func Unread(stream, subject string, seq uint64, at time.Time, body []byte) Event {
	e := Event{ID: stream + "-" + strconv.FormatUint(seq, 10), Type: topology.UnknownType, Subject: subject, Received: at, Body: body, seq: seq}
	if stream == topology.StreamWebhooks {
		e.Source, _, _ = strings.Cut(strings.TrimPrefix(subject, topology.WebhooksPrefix), ".")
	}
	return e
}

// UnreadDelivery is what is known of a delivery that came due without decoding it: whose it is and, if its key is readable,
// of which event, so that it stays the same delivery.
func UnreadDelivery(subject string, seq uint64, at time.Time, body []byte) Delivery {
	d := Delivery{Event: Unread(topology.StreamDeliveries, subject, seq, at, body), Attempt: 1, came: true}
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
	meta, err := m.Metadata()
	if err != nil {
		return Delivery{}, fmt.Errorf("reading a delivery's place: %w", err)
	}
	d, err := parseDelivery(m.Headers(), m.Data(), meta.Sequence.Stream)
	d.came = true
	return d, err
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
	s, err := b.reader.Last(ctx, stream, subject)
	if err != nil {
		return Delivery{}, err
	}
	return DeliveryOf(&s)
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
	for _, stream := range topology.EventStreams {
		if err := b.forgetCursor(ctx, stream, endpoint); err != nil {
			return err
		}
	}
	return nil
}

// forgetCursor removes an endpoint's record in the cursors' bucket, and then its consumers, if there is a record.
func (b *Bus) forgetCursor(ctx context.Context, stream, endpoint string) error {
	key := endpoint + "." + stream
	_, err := b.consumers.Records().Get(ctx, key)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return nil
	}
	if err == nil {
		err = b.consumers.Records().Delete(ctx, key)
	}
	if err != nil {
		return fmt.Errorf("removing the cursor %s: %w", key, failure.Classify(err))
	}
	all, err := b.consumers.Ordered(ctx, stream) // the record may be one that can't be read
	for _, own := range all {
		if err == nil && own.Endpoint == endpoint {
			err = b.consumers.Drop(ctx, own)
		}
	}
	return err
}

// DeliveryOf decodes a stored delivery, waiting or dead.
func DeliveryOf(s *query.Stored) (Delivery, error) {
	d, err := parseDelivery(s.Header, s.Data, s.Seq)
	d.seq, d.Since = s.Seq, s.Time
	return d, err
}

// EventOf decodes a stored event.
func EventOf(s *query.Stored, stream string) Event {
	return decodeEvent(s.Subject, s.Header, s.Data, stream, s.Seq, s.Time)
}
