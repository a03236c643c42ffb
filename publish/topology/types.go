package topology

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Subject prefixes of the bus. README.md has a table of them.
const (
	WebhooksPrefix = "webhooks."
	EventsPrefix   = "events."
	OpsPrefix      = "jethook.ops."
)

// UnknownType stands for an event type that is missing or holds nothing a subject could.
const UnknownType = "unknown"

// MaxTypeBytes bounds the part of a subject that a sender chooses: NATS refuses protocol lines over 4 KiB,
// and each distinct subject costs the server memory.
const MaxTypeBytes = 256

// WebhookSubject is the subject on which a webhook of the given type from source is stored.
func WebhookSubject(source, eventType string) string {
	return WebhooksPrefix + source + "." + TypeTokens(eventType)
}

// EventSubject is the subject on which an internal event of the given type is stored.
func EventSubject(eventType string) string {
	return EventsPrefix + TypeTokens(eventType)
}

// TypeTokens turns any string into one or more valid subject tokens without wildcards: dots separate tokens,
// "/" and ":" become dots, empty tokens vanish, every other character that a token cannot hold becomes "_",
// and what exceeds 256 bytes is cut. A type with nothing left is "unknown". It is a fixed point: applying it
// twice changes nothing.
func TypeTokens(eventType string) string {
	var b strings.Builder
	b.Grow(min(len(eventType), MaxTypeBytes))
	dot := false
	for _, r := range eventType {
		if r == '.' || r == '/' || r == ':' {
			dot = b.Len() > 0
			continue
		}
		if !tokenRune(r) {
			r = '_'
		}
		need := utf8.RuneLen(r)
		if dot {
			need++
		}
		if b.Len()+need > MaxTypeBytes {
			break
		}
		if dot {
			b.WriteByte('.')
			dot = false
		}
		b.WriteRune(r)
	}
	if b.Len() == 0 {
		return UnknownType
	}
	return b.String()
}

// tokenRune reports whether a subject token may hold r. Format characters (such as U+200B) are refused with
// the control ones: a subject that looks like another one misleads whoever reads it.
func tokenRune(r rune) bool {
	switch r {
	case '*', '>', utf8.RuneError:
		return false
	}
	return unicode.IsGraphic(r) && !unicode.IsSpace(r)
}
