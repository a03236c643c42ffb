package topology

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"jethook/config"
)

// A stream that a company already has is not read by Jethook: JetStream itself copies it into EVENTS, as a source, below
// events. So nothing of that stream is changed, and all that holds of events holds of its messages.

// keyCopied notes in the metadata of EVENTS which stream is copied, and which subjects of it.
const keyCopied = "jethook-events-stream"

// copyStream lets EVENTS copy the stream that the settings name, from now on.
func copyStream(events *jetstream.StreamConfig, cfg *config.Config) {
	if cfg.EventsStream == "" {
		return
	}
	subjects, now := cfg.EventsSubjects, time.Now()
	if len(subjects) == 0 {
		subjects = []string{">"}
	}
	source := &jetstream.StreamSource{Name: cfg.EventsStream, OptStartTime: &now}
	for _, s := range subjects {
		source.SubjectTransforms = append(source.SubjectTransforms, jetstream.SubjectTransformConfig{Source: s, Destination: EventsPrefix + destination(s)})
	}
	events.Sources = []*jetstream.StreamSource{source}
	events.Metadata = map[string]string{keyCopied: strings.Join(append([]string{cfg.EventsStream}, subjects...), " ")}
}

// destination is a pattern of subjects as a transform writes each of them unchanged:
// https://docs.nats.io/nats-concepts/subject_mapping
func destination(pattern string) string {
	tokens, wildcards := strings.Split(pattern, "."), 0
	for i, t := range tokens {
		if t == "*" {
			wildcards++
			tokens[i] = "{{wildcard(" + strconv.Itoa(wildcards) + ")}}"
		}
	}
	return strings.Join(tokens, ".")
}

// followCopied makes a stream that Jethook made copy what want does, and reports whether that changes it. Sources that an
// operator added stay.
func followCopied(have, want *jetstream.StreamConfig) bool {
	noted, asked := have.Metadata[keyCopied], want.Metadata[keyCopied]
	if _, made := have.Metadata[keyMaxAge]; !made || noted == asked {
		return false
	}
	before, _, _ := strings.Cut(noted, " ")
	have.Sources = slices.DeleteFunc(slices.Clone(have.Sources), func(s *jetstream.StreamSource) bool { return s.Name == before })
	have.Sources = append(have.Sources, want.Sources...)
	have.Metadata[keyCopied] = asked
	if asked == "" {
		delete(have.Metadata, keyCopied)
	}
	return true
}

// checkCopied returns an error if a stream can't be copied without a change to it.
func checkCopied(ctx context.Context, js jetstream.JetStream, want *jetstream.StreamConfig) error {
	for _, source := range want.Sources {
		s, err := js.Stream(ctx, source.Name)
		switch {
		case errors.Is(err, jetstream.ErrStreamNotFound):
			return fmt.Errorf("%w: there is no stream %s, which JETHOOK_EVENTS_STREAM names", ErrStreamMismatch, source.Name)
		case err != nil:
			return fmt.Errorf("asking for the stream %s of JETHOOK_EVENTS_STREAM: %w", source.Name, err)
		case s.CachedInfo().Config.Retention != jetstream.LimitsPolicy:
			return fmt.Errorf("%w: the stream %s of JETHOOK_EVENTS_STREAM has the retention %s, so that copying it would take its messages from others",
				ErrStreamMismatch, source.Name, s.CachedInfo().Config.Retention)
		}
	}
	return nil
}
