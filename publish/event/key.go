package event

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// DeliverySuffixes are what the subjects of the event's deliveries end in: of all events with its id, unless its place is
// known. The ones without a place are of releases that stored none.
func (e *Event) DeliverySuffixes() []string {
	key := e.Key()
	if e.Seq == 0 {
		return []string{key, key + ".*"}
	}
	return []string{key, key + "." + PlaceToken(e.Seq)}
}

// HasDelivery reports whether a delivery's id is of a delivery of this event, to whichever endpoint.
func (e *Event) HasDelivery(id string) bool {
	return slices.ContainsFunc(e.DeliverySuffixes(), func(suffix string) bool { return strings.HasSuffix(id, "."+suffix) })
}

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

// PlaceToken is a place in a stream as the last token of a delivery's id.
func PlaceToken(seq uint64) string { return strconv.FormatUint(seq, 36) }

// EventOf decodes the headers of an event.
func EventOf(h nats.Header, body []byte) Event {
	received, _ := time.Parse(time.RFC3339Nano, h.Get(HeaderReceived)) // absent when a service published it
	return Event{
		ID: h.Get(HeaderID), Type: h.Get(HeaderType), Source: h.Get(HeaderSource), Received: received,
		ContentType: h.Get(HeaderContentType), Traceparent: h.Get(HeaderTraceparent), Body: body,
		Forward: Forwarded(h),
	}
}
