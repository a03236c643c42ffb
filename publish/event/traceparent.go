package event

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"time"
)

// NewTraceparent returns a fresh W3C trace context (https://www.w3.org/TR/trace-context/) for an event that came without
// one. It is not marked as sampled, since nobody has recorded anything of that trace: see [IsFreshTrace].
func NewTraceparent() string {
	var id [16]byte
	rand.Read(id[:])
	return freshTrace(id)
}

// traceparentOf is the trace context of an event that was published without one. It follows from the event's place, so that
// everybody who reads the event finds the same.
func traceparentOf(stream string, seq uint64, at time.Time) string {
	text := append(make([]byte, 0, 64), stream...)
	text = binary.BigEndian.AppendUint64(text, seq)
	text = binary.BigEndian.AppendUint64(text, uint64(at.UnixNano()))
	sum := sha256.Sum256(text)
	return freshTrace([16]byte(sum[:]))
}

// freshTrace is a trace context whose parent id is the first half of its trace id.
func freshTrace(id [16]byte) string {
	text := append(make([]byte, 0, 55), "00-"...)
	text = append(hex.AppendEncode(text, id[:]), '-')
	text = append(hex.AppendEncode(text, id[:8]), "-00"...)
	return string(text)
}

// IsFreshTrace reports whether Jethook made the trace context of an event that came without one. There is no span behind its
// parent id then: whoever goes on with it begins the trace, and decides whether to record it.
func IsFreshTrace(traceparent string) bool {
	return ValidTraceparent(traceparent) && traceparent[3:19] == traceparent[36:52]
}

// ValidTraceparent reports whether s has the form of https://www.w3.org/TR/trace-context/#traceparent-header:
// version 00, trace id, parent id and flags in lower-case hex, neither id all zeros.
func ValidTraceparent(s string) bool {
	if len(s) != 55 || s[:3] != "00-" || s[35] != '-' || s[52] != '-' {
		return false
	}
	trace, parent, flags := s[3:35], s[36:52], s[53:]
	for _, part := range [...]string{trace, parent, flags} {
		if strings.Trim(part, "0123456789abcdef") != "" {
			return false
		}
	}
	return strings.Trim(trace, "0") != "" && strings.Trim(parent, "0") != ""
}

// TraceID returns the id of the trace that the event belongs to, for the log; empty: there is none.
func (e *Event) TraceID() string {
	if !ValidTraceparent(e.Traceparent) {
		return ""
	}
	return e.Traceparent[3:35]
}
