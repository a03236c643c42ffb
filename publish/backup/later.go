package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"jethook/publish/connection"
	"jethook/publish/failure"
)

// rounds is how often what was stored meanwhile is looked for: once more than anything can move.
const rounds = 4

// message is one that was stored after the snapshot of its stream had begun.
type message struct {
	Stream  string `json:"stream"`
	Subject string `json:"subject"`
	Seq     uint64 `json:"seq"`
	Header  []byte `json:"hdrs,omitempty"`
	Data    []byte `json:"data,omitempty"`
}

// rounds writes what was stored in streams after their snapshots.
func (b *backup) rounds(ctx context.Context, names []string) error {
	var later []message
	for range rounds {
		before := len(later)
		for _, name := range names {
			if !b.have[name] {
				continue
			}
			s, err := b.js.Stream(ctx, name)
			if err != nil {
				return fmt.Errorf("reading stream %s: %w", name, err)
			}
			end := s.CachedInfo().State.LastSeq
			for b.ends[name] < end {
				m, err := b.after(ctx, name, b.ends[name]+1)
				if err != nil {
					return err
				}
				if m == nil || m.Seq > end {
					break
				}
				later = append(later, *m)
				b.ends[name] = m.Seq
			}
			b.ends[name] = max(b.ends[name], end)
		}
		if len(later) == before {
			break
		}
	}
	return b.out.put(names[0]+laterPart, later)
}

// codeNoMessage is JetStream's error when there is no such message.
const codeNoMessage = 10037

// after returns the first message of a stream from a place on, as its leader knows it; nil: there is none.
func (b *backup) after(ctx context.Context, stream string, seq uint64) (*message, error) {
	var answer struct {
		Message *message `json:"message"`
	}
	err := ask(ctx, b.nc, b.api("STREAM.MSG.GET."+stream), map[string]any{"seq": seq, "next_by_subj": ">"}, &answer)
	if refusal, ok := errors.AsType[*jetstream.APIError](err); ok && refusal.ErrorCode == codeNoMessage {
		return nil, nil
	}
	if err == nil && answer.Message == nil {
		err = errors.New("an answer without a message")
	}
	if err != nil {
		return nil, fmt.Errorf("reading stream %s: %w", stream, err)
	}
	answer.Message.Stream = stream
	return answer.Message, nil
}

// IsPassing reports whether a header is one by which the server judges a message when it comes, and not when it is stored once more.
func IsPassing(header string) bool {
	return header == nats.MsgIdHdr || strings.HasPrefix(header, "Nats-Expected-") || strings.HasPrefix(header, "Nats-Batch-")
}

// again stores a message once more, behind what the snapshot of its stream had. To do so twice does no harm.
func (m *message) again(ctx context.Context, nc *nats.Conn) error {
	out := nats.NewMsg(m.Subject)
	out.Data = m.Data
	if len(m.Header) > 0 {
		header, err := nats.DecodeHeadersMsg(m.Header)
		if err != nil {
			return fmt.Errorf("%w: a message of %s: %w", ErrDamaged, m.Stream, err)
		}
		for name := range header {
			if IsPassing(name) {
				delete(header, name)
			}
		}
		out.Header = header
	}
	ctx, cancel := context.WithTimeout(ctx, chunkTime)
	defer cancel()
	got, err := nc.RequestMsgWithContext(ctx, out)
	if errors.Is(err, nats.ErrNoResponders) {
		err = fmt.Errorf("%w: %w", connection.ErrNotYet, err)
	}
	if err != nil {
		return fmt.Errorf("storing in %s: %w", m.Stream, err)
	}
	var ack struct{ Error *jetstream.APIError }
	if err := json.Unmarshal(got.Data, &ack); err != nil {
		return fmt.Errorf("storing in %s: %w", m.Stream, err)
	}
	if ack.Error != nil {
		return fmt.Errorf("storing in %s: %w: %w", m.Stream, failure.ErrRefused, ack.Error)
	}
	return nil
}
