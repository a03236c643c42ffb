package delivery

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"jethook/publish/crashpoint"
	"jethook/publish/event"
	"jethook/publish/topology"
)

// Unread is what is known of a delivery that came due without decoding it: whose it is and, if its key is readable,
// of which event, so that it stays the same delivery.
func Unread(subject string, seq uint64, at time.Time, body []byte) Delivery {
	d := Delivery{Event: event.Unread(topology.StreamDeliveries, subject, seq, at, body), Attempt: 1, came: true}
	d.Event.Seq = 0
	tokens := strings.SplitN(subject, ".", 5)
	if len(tokens) < 4 {
		return d
	}
	d.Endpoint = tokens[2]
	if len(tokens) == 5 {
		d.Event.Seq, _ = strconv.ParseUint(tokens[4], 36, 64) // if it is none of Jethook's, it has no place
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

// Decode reads a delivery that came due.
func Decode(m jetstream.Msg) (Delivery, error) {
	crashpoint.Reach("read", "", m.Data())
	meta, err := m.Metadata()
	if err != nil {
		return Delivery{}, fmt.Errorf("reading a delivery's place: %w", err)
	}
	d, err := ParseDelivery(m.Headers(), m.Data(), meta.Sequence.Stream)
	d.came = true
	return d, err
}
