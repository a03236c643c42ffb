package event

import (
	"crypto/sha256"
	"encoding/hex"
	"net/textproto"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"jethook/publish/topology"
)

// Headers of a stored event.
const (
	HeaderID          = "Jethook-Id"
	HeaderType        = "Jethook-Type"
	HeaderSource      = "Jethook-Source"
	HeaderReceived    = "Jethook-Received"
	HeaderQuery       = "Jethook-Query"
	HeaderContentType = "Content-Type"
	HeaderTraceparent = "traceparent"
	HeaderMsgID       = "Nats-Msg-Id"
)

// Event is one event as it lies on the bus: a received webhook, or an event of an internal service.
type Event struct {
	ID          string    // stable: the same on every copy and every delivery of the event
	Type        string    // as the sender wrote it; never empty
	Source      string    // the sender's name; empty for an internal event
	Subject     string    // where it is stored
	Received    time.Time // when Jethook received it
	ContentType string
	Traceparent string
	Query       string      // of the address that a webhook came to, without credentials
	Header      nats.Header // the sender's own request headers that may be kept; nil for an internal event. Publishing adds to it
	Body        []byte      // the sender's bytes, unchanged
	// Forward is the headers that go on to the receivers, by their canonical names: of an event on events. those that its
	// publisher asks for, and those of CloudEvents in binary mode; of any the state of its trace. Read only.
	Forward map[string]string

	Seq uint64 // its place in its stream; 0 unless it was read from there, or with a delivery of it

	InStream bool      // it lies at that place: it was read there, or with a delivery that needs it there
	Stored   time.Time // of one that lies there: when it was stored
	Away     int       // of one that was read without its body: the size of that
	Object   string    // the name of its body, which is stored aside; empty: it is not
	Digest   string    // of that body: its SHA-256 in hex
	Kept     string    // the day on which its body was kept for a dead letter; empty: it was not
}

// Place returns where the event lies; 0 unless it was read from its stream.
func (e *Event) Place() (stream string, place uint64) { return topology.StreamOf(e.Subject), e.Seq }

// OwnHeaders is how many headers a stored event has at most beside the sender's own.
const OwnHeaders = 11

// Msg encodes e and takes its header over. Headers that steer the server or Jethook itself are never the sender's. All are
// ASCII, see [HeaderValue].
func (e *Event) Msg() *nats.Msg {
	msgID := e.ID
	if e.Source != "" {
		msgID = e.Source + ":" + e.ID
	}
	own := [...]struct{ name, value string }{
		{HeaderMsgID, msgID},
		{HeaderID, e.ID},
		{HeaderType, e.Type},
		{HeaderSource, e.Source},
		{HeaderReceived, e.Received.UTC().Format(time.RFC3339Nano)},
		{HeaderQuery, e.Query},
		{HeaderContentType, e.ContentType},
		{HeaderTraceparent, e.Traceparent},
	}
	h := e.Header
	if h == nil {
		h = make(nats.Header, OwnHeaders)
	}
	for name, values := range h {
		if reservedHeader(name) {
			delete(h, name)
		} else {
			h[name] = encodeValues(values)
		}
	}
	values := make([]string, len(own)) // one for all: there are as many for every event
	for i, header := range own {
		if header.value != "" {
			values[i] = HeaderValue(header.value)
			h[header.name] = values[i : i+1 : i+1]
		}
	}
	if e.Object != "" {
		e.SetObject(h, e.Away)
	}
	return &nats.Msg{Subject: e.Subject, Header: h, Data: e.Body}
}

// reservedHeader reports whether name may only be written by Jethook: a sender that could set Nats-Rollup or
// Nats-Msg-Id would purge the stream or silence other events. A message without a body that has a Status is none to NATS
// clients, but the server's answer: they would never take it, and it would come again for ever.
func reservedHeader(name string) bool {
	n := textproto.CanonicalMIMEHeaderKey(name)
	return strings.HasPrefix(n, "Nats-") || strings.HasPrefix(n, "Jethook-") ||
		n == HeaderContentType || n == "Traceparent" || n == "Status" || n == "Description"
}

// maxIDBytes bounds an event id: it becomes part of headers and subjects.
const maxIDBytes = 128

// CleanID returns id when it can stand in a header as it is, and otherwise a hash of it: equal ids stay
// equal, whatever bytes they hold. An empty id stays empty.
func CleanID(id string) string {
	if len(id) > maxIDBytes {
		return HashID(id)
	}
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return HashID(id)
		}
	}
	return id
}

// HashID returns an id made of the parts: the same parts give the same id.
func HashID(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write([]byte(p))
		h.Write([]byte{0})
	}
	return "sha256-" + hex.EncodeToString(h.Sum(nil)[:16])
}

// CleanType returns an event type that can stand in a header: characters that a header cannot hold become
// "_", 256 bytes at most, "unknown" for nothing.
func CleanType(t string) string {
	t = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			return '_'
		}
		return r
	}, t)
	if len(t) > topology.MaxTypeBytes {
		t = strings.ToValidUTF8(t[:topology.MaxTypeBytes], "")
	}
	if t == "" {
		return topology.UnknownType
	}
	return t
}
