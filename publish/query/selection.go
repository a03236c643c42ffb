package query

import (
	"bytes"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"jethook/publish/topology"
)

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

// Selection is a part of a stream that can be listed. An empty endpoint or outcome in its constructors means all.
type Selection struct {
	Stream, Subject string
	Bodies          bool      // messages are read with their whole bodies
	since, until    time.Time // when they were stored; zero: any time
}

// Waiting lists deliveries that wait for their time.
func Waiting(endpoint string) Selection {
	return Selection{Stream: topology.StreamDeliveries, Subject: topology.RetryPrefix + OrAny(endpoint) + ".>"}
}

// Turns lists deliveries that got their turn and are being attempted, and Due the others that came due.
func Turns(endpoint string) Selection {
	return Selection{Stream: topology.StreamDeliveries, Subject: topology.TurnPrefix + OrAny(endpoint) + ".>"}
}

// Due lists deliveries that came due and are being attempted.
func Due(endpoint string) Selection {
	return Selection{Stream: topology.StreamDeliveries, Subject: topology.DuePrefix + OrAny(endpoint) + ".>"}
}

// Dead lists dead letters.
func Dead(endpoint string) Selection {
	return Selection{Stream: topology.StreamDead, Subject: topology.DeadPrefix + OrAny(endpoint) + ".>"}
}

// Webhooks lists a source's webhooks.
func Webhooks(source string) Selection {
	return Selection{Stream: topology.StreamWebhooks, Subject: topology.WebhooksPrefix + source + ".>"}
}

// OrAny is a token of a subject, or the wildcard for one if it is empty.
func OrAny(token string) string {
	if token == "" {
		return "*"
	}
	return token
}

// DeadPreview is how many bytes of a dead letter's body a list shows.
const DeadPreview = 16 << 10

// cut keeps the first n bytes of the body.
func (s *Stored) cut(n int) {
	if s.Cut = len(s.Data) > n; s.Cut {
		s.Data = bytes.Clone(s.Data[:n]) // a slice would keep the whole
	}
}

// Events lists the events of a stream, with their bodies, that the patterns may match: what does not is to be
// passed over.
func Events(stream string, patterns []string) Selection {
	sel := Selection{Stream: stream, Subject: topology.EventRoots[stream] + ">", Bodies: true}
	if filters := topology.Filters(stream, patterns); len(filters) == 1 {
		sel.Subject = filters[0]
	}
	return sel
}

// WithBodies is the selection with whole bodies.
func (sel Selection) WithBodies() Selection {
	sel.Bodies = true
	return sel
}

// All lists all of a stream.
func All(stream string) Selection { return Selection{Stream: stream, Subject: ">"} }

// Bucket lists the entries of a bucket. A watch would pass over one that changes meanwhile.
func Bucket(bucket string) Selection {
	return Selection{Stream: "KV_" + bucket, Subject: "$KV." + bucket + ".>", Bodies: true}
}

// Key is the key of an entry of a bucket; false for a removed one.
func (s *Stored) Key(bucket string) (string, bool) {
	return strings.TrimPrefix(s.Subject, "$KV."+bucket+"."), s.Header.Get("KV-Operation") == ""
}

// Rejected lists the rejected requests of a source; empty: of all.
func Rejected(source string) Selection {
	return Selection{Stream: topology.StreamRejected, Subject: topology.RejectedPrefix + OrAny(source)}
}

// Audit lists the audit trail.
func Audit() Selection {
	return Selection{Stream: topology.StreamAudit, Subject: topology.AuditSubjects, Bodies: true}
}

// Within is the part of the selection that was stored at since or later, and before until; a zero time is no bound.
func (sel Selection) Within(since, until time.Time) Selection {
	sel.since, sel.until = since, until
	return sel
}

func (sel Selection) holds(t time.Time) bool {
	return (sel.since.IsZero() || !t.Before(sel.since)) && (sel.until.IsZero() || t.Before(sel.until))
}

// EventsOn returns where the events lie that a subject pattern names. An empty one, and > alone, name all
// webhooks and events, but no operational events. The error is ErrBadPattern.
func EventsOn(pattern string) ([]Selection, error) {
	switch pattern {
	case "", ">":
		return []Selection{{Stream: topology.StreamWebhooks, Subject: topology.WebhooksPrefix + ">"}, {Stream: topology.StreamEvents, Subject: topology.EventsPrefix + ">"}}, nil
	}
	stream := topology.StreamOf(pattern)
	if stream == "" || !topology.IsPattern(pattern) {
		return nil, topology.ErrBadPattern
	}
	return []Selection{{Stream: stream, Subject: pattern}}, nil
}
