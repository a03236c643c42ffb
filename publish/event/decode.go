package event

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"jethook/publish/crashpoint"
	"jethook/publish/query"
	"jethook/publish/topology"
)

// Decode reads an event from the bus, whoever published it: its id is its Jethook-Id, or else its
// Nats-Msg-Id, or else its place in the stream.
func Decode(m jetstream.Msg) (Event, error) {
	meta, err := m.Metadata()
	if err != nil {
		return Event{}, fmt.Errorf("reading an event's place: %w", err)
	}
	crashpoint.Reach("read", "", m.Data())
	return Parse(m.Subject(), m.Headers(), m.Data(), meta.Stream, meta.Sequence.Stream, meta.Timestamp), nil
}

// Parse reads an event that was stored at a place and a time.
func Parse(subject string, h nats.Header, body []byte, stream string, seq uint64, at time.Time) Event {
	e := EventOf(h, body)
	e.Subject, e.Seq, e.InStream, e.Stored = subject, seq, true, at
	if e.ID == "" {
		e.ID = h.Get(HeaderMsgID)
	}
	if e.ID = CleanID(e.ID); e.ID == "" {
		e.ID = stream + "-" + strconv.FormatUint(seq, 10)
	}
	if stream != topology.StreamWebhooks {
		e.Source = "" // only a received webhook has one, whatever a service writes
	} else {
		e.ReadObject(h)
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
	e := Event{ID: stream + "-" + strconv.FormatUint(seq, 10), Type: topology.UnknownType, Subject: subject, Received: at, Body: body, Seq: seq}
	if stream == topology.StreamWebhooks {
		e.Source, _, _ = strings.Cut(strings.TrimPrefix(subject, topology.WebhooksPrefix), ".")
	}
	return e
}

// Of decodes a stored event.
func Of(s *query.Stored, stream string) Event {
	return Parse(s.Subject, s.Header, s.Data, stream, s.Seq, s.Time)
}

// ParsePlace reads the id of an event that has no other: its stream and its sequence.
func ParsePlace(id string) (stream string, seq uint64, ok bool) {
	stream, number, _ := strings.Cut(id, "-")
	if !slices.Contains(topology.EventStreams, stream) {
		return "", 0, false
	}
	seq, err := strconv.ParseUint(number, 10, 64)
	return stream, seq, err == nil && seq > 0
}
