package topology

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"jethook/config"
	"jethook/config/quantity"
	"jethook/publish/connection"
)

// A stream that Jethook made follows the settings it was made from: when they change, so does the stream. What an
// operator changed by hand stays. To tell the two apart, Jethook notes in the stream's metadata what was asked of it
// and what it set; a value that is no longer what it set is the operator's.

// setting is one value of a stream that follows a setting.
type setting struct {
	key   string // in the metadata
	field func(*jetstream.StreamConfig) *int64
}

const (
	keyMaxAge     = "jethook-max-age"
	keyMaxBytes   = "jethook-max-bytes"
	keyMaxMessage = "jethook-max-msg-size"
	keyWindow     = "jethook-duplicate-window"
)

var settings = []setting{
	{keyMaxAge, func(c *jetstream.StreamConfig) *int64 { return (*int64)(&c.MaxAge) }},
	{keyMaxBytes, func(c *jetstream.StreamConfig) *int64 { return &c.MaxBytes }},
	{keyWindow, func(c *jetstream.StreamConfig) *int64 { return (*int64)(&c.Duplicates) }},
}

// noteSettings marks what of a stream follows a setting.
func noteSettings(s *jetstream.StreamConfig, cfg *config.Config) {
	sizes := map[string]quantity.Bytes{
		StreamHistory: cfg.HistoryMaxBytes, StreamRejected: cfg.RejectedMaxBytes, StreamDead: cfg.DeadMaxBytes,
		StreamWebhooks: cfg.WebhooksMaxBytes, StreamEvents: cfg.EventsMaxBytes, StreamDeliveries: cfg.DeliveriesMaxBytes, StreamAudit: cfg.AuditMaxBytes,
	}
	for _, f := range settings {
		size, sized := sizes[s.Name]
		switch {
		case *f.field(s) == 0: // left to the server
		case f.key == keyMaxBytes && sized:
			f.note(s, int64(size))
		case f.key != keyMaxBytes && s.Name != StreamDead: // dead letters have no other setting
			f.note(s, *f.field(s))
		}
	}
	if s.MaxMsgSize > 0 {
		noteMaxMessage(s)
	}
}

func noteMaxMessage(s *jetstream.StreamConfig) {
	if s.Metadata == nil {
		s.Metadata = make(map[string]string)
	}
	s.Metadata[keyMaxMessage] = strconv.Itoa(int(s.MaxMsgSize))
}

// raiseMaxMessage makes room in have for the largest body that is taken, and reports whether that changes it. It never
// lowers the limit: a process without the sources would take from one with them what that needs. Earlier versions did not
// note the value.
func raiseMaxMessage(have, want *jetstream.StreamConfig, log *slog.Logger) bool {
	if have.MaxMsgSize <= 0 || have.MaxMsgSize >= want.MaxMsgSize {
		return false
	}
	noted, isNoted := have.Metadata[keyMaxMessage]
	if _, made := have.Metadata[keyMaxAge]; !made || isNoted && noted != strconv.Itoa(int(have.MaxMsgSize)) {
		log.Info("keeping a stream setting that an operator changed", "stream", want.Name, "setting", "max-msg-size",
			"value", have.MaxMsgSize, "configured", want.MaxMsgSize)
		return false
	}
	have.MaxMsgSize = want.MaxMsgSize
	noteMaxMessage(have)
	return true
}

// note marks a value as set. What was asked differs from it where a small store bounds it: free space changes from
// start to start, and a stream must not change with it.
func (f setting) note(c *jetstream.StreamConfig, asked int64) {
	if c.Metadata == nil {
		c.Metadata = make(map[string]string)
	}
	c.Metadata[f.key] = fmt.Sprintf("%d/%d", asked, *f.field(c))
}

// noted returns what was asked and what was set. Earlier versions had no setting for the size of most streams, and noted
// nothing of dead letters.
func (f setting) noted(c *jetstream.StreamConfig) (asked, set int64, ok bool) {
	if _, is := c.Metadata[f.key]; !is && f.key == keyMaxBytes {
		if c.Name == StreamDead {
			return 1 << 30, c.MaxBytes, true
		}
		_, made := c.Metadata[keyWindow]
		return 0, -1, made
	}
	a, s, ok := strings.Cut(c.Metadata[f.key], "/")
	asked, err1 := strconv.ParseInt(a, 10, 64)
	set, err2 := strconv.ParseInt(s, 10, 64)
	return asked, set, ok && err1 == nil && err2 == nil
}

// followSettings makes a stream that exists follow the settings that want was made of, where nobody else has changed it.
func followSettings(ctx context.Context, js jetstream.JetStream, s jetstream.Stream, want *jetstream.StreamConfig, log *slog.Logger) (jetstream.Stream, error) {
	cfg := s.CachedInfo().Config
	next := cfg
	next.Metadata = maps.Clone(cfg.Metadata)
	var changes []any
	for _, f := range settings {
		wanted, _, ok := f.noted(want)
		if !ok { // this stream does not follow this one
			continue
		}
		asked, set, made := f.noted(&cfg)
		name, have, target := strings.TrimPrefix(f.key, "jethook-"), *f.field(&cfg), *f.field(want)
		switch {
		case have != set || !made:
			if have != target {
				log.Info("keeping a stream setting that an operator changed", "stream", want.Name, "setting", name,
					"value", f.show(have), "configured", f.show(wanted))
			}
		case asked != wanted:
			*f.field(&next) = target
			f.note(&next, wanted)
			changes = append(changes, name, f.show(target))
		}
	}
	if next.Metadata != nil && raiseMaxMessage(&next, want, log) {
		changes = append(changes, "max-msg-size", next.MaxMsgSize)
	}
	if followCopied(&next, want) {
		changes = append(changes, "copies", next.Metadata[keyCopied])
	}
	if changes == nil {
		return s, nil
	}
	if next.MaxAge > 0 {
		next.Duplicates = min(next.Duplicates, next.MaxAge) // else the server refuses it
	}
	updated, err := js.UpdateStream(ctx, next)
	if refusal, ok := errors.AsType[*jetstream.APIError](err); ok && !connection.Passes(err) {
		log.Error("cannot apply changed settings to a stream; keeping the current ones", "stream", want.Name, "error", refusal)
		return s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("changing stream %s: %w", want.Name, err)
	}
	log.Info("applied changed settings to a stream", append([]any{"stream", want.Name}, changes...)...)
	return updated, nil
}

func (f setting) show(value int64) string {
	if f.key == keyMaxBytes {
		return strconv.FormatInt(value, 10)
	}
	return time.Duration(value).String()
}
