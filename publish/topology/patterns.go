package topology

import (
	"errors"
	"slices"
	"strings"

	"github.com/nats-io/nats-server/v2/server"
)

// EventStreams are the streams that an ordered endpoint can listen to.
var EventStreams = []string{StreamEvents, StreamWebhooks, StreamOps}

// EventRoots are the subjects of the streams of events.
var EventRoots = map[string]string{StreamWebhooks: WebhooksPrefix, StreamEvents: EventsPrefix, StreamOps: OpsPrefix}

// Filters returns the patterns that concern a stream, without those that another one includes:
// JetStream refuses them in one consumer. Patterns that overlap in part may stand side by side there, and a
// message that several of them match comes once.
func Filters(stream string, patterns []string) (filters []string) {
	root := EventRoots[stream]
	for _, p := range patterns {
		if strings.HasPrefix(p, root) && !slices.Contains(filters, p) {
			filters = append(filters, p)
		}
	}
	all := slices.Sorted(slices.Values(filters))
	return slices.DeleteFunc(slices.Clone(all), func(p string) bool {
		return slices.ContainsFunc(all, func(wider string) bool { return p != wider && server.SubjectMatchesFilter(p, wider) })
	})
}

// MatchesAny reports whether one of the patterns matches subject.
func MatchesAny(subject string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return server.SubjectMatchesFilter(subject, p) })
}

// ErrBadPattern means that a text is no subject pattern, or one of something else than events.
var ErrBadPattern = errors.New("must be a subject pattern below webhooks., events. or jethook.ops., such as webhooks.polar.> or events.order.*; > alone is all webhooks and events")

// maxPatternBytes bounds a pattern, which becomes a part of a request's subject: the server ends the connection of who
// sends a longer one than 4 KiB.
const maxPatternBytes = 2048

// IsPattern reports whether a text can be a subject pattern of events.
func IsPattern(pattern string) bool {
	return len(pattern) <= maxPatternBytes && server.IsValidSubject(pattern) && !strings.ContainsFunc(pattern, notShown) && !hasInnerWildcard(pattern)
}

// hasInnerWildcard reports whether a wildcard is a part of a token: a plain character in a subject, and refused in the name
// of a request to JetStream.
func hasInnerWildcard(pattern string) bool {
	for token := range strings.SplitSeq(pattern, ".") {
		if len(token) > 1 && strings.ContainsAny(token, "*>") {
			return true
		}
	}
	return false
}

// IsEventSubject reports whether an event can be stored on subject, which has no wildcards.
func IsEventSubject(subject string) bool {
	return StreamOf(subject) != "" && server.IsValidLiteralSubject(subject) && !strings.ContainsFunc(subject, notShown)
}

func notShown(r rune) bool { return !tokenRune(r) && r != '*' && r != '>' }

// StreamOf returns the stream that takes events on a subject, or "" when none does.
func StreamOf(subject string) string {
	switch {
	case strings.HasPrefix(subject, WebhooksPrefix):
		return StreamWebhooks
	case strings.HasPrefix(subject, EventsPrefix):
		return StreamEvents
	case IsOps(subject):
		return StreamOps
	default:
		return ""
	}
}

// IsOps reports whether a subject is of an operational event.
func IsOps(subject string) bool { return strings.HasPrefix(subject, OpsPrefix) }
