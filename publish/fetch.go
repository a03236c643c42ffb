package publish

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"jethook/publish/connection"
	"jethook/publish/failure"
	"jethook/publish/topology"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const directPrefix = "$JS.API.DIRECT.GET."

// fetchQuery is a direct get. nats.go has no call for several messages, none for times, and takes no wildcards:
// https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-31.md
type fetchQuery struct {
	Seq       uint64     `json:"seq,omitempty"`
	StartTime *time.Time `json:"start_time,omitempty"`
	Subject   string     `json:"next_by_subj,omitempty"`
	Last      string     `json:"last_by_subj,omitempty"`
	Newest    []string   `json:"multi_last,omitempty"` // the newest message of each subject that matches
	Batch     int        `json:"batch,omitempty"`
	MaxBytes  int        `json:"max_bytes,omitempty"`
}

// fetched is the answer to a fetchQuery.
type fetched struct {
	msgs    []Stored // without those that can't be read
	last    uint64   // the place of the last one, whether it can be read or not; 0: there is none
	pending uint64   // how many messages of the stream match from the first one on, itself included
	done    bool     // nothing that matches lies behind these
}

// fetch asks a shelf's stream for a batch, as q must say. Bodies are left out as the shelf says.
func fetch(ctx context.Context, c *connection.Conn, sh Shelf, q fetchQuery) (got fetched, err error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout) // an answer that the connection lost never comes
	defer cancel()
	req, err := json.Marshal(q)
	if err != nil {
		return got, err
	}
	sub, err := c.SubscribeSync(c.NewInbox())
	if err != nil {
		return got, failure.Classify(err)
	}
	defer sub.Unsubscribe()
	if err := c.PublishRequest(directPrefix+sh.stream, sub.Subject, req); err != nil {
		return got, failure.Classify(err)
	}
	for read := uint64(0); ; {
		m, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			return got, fmt.Errorf("reading %s: %w", sh.stream, failure.Classify(err))
		}
		switch statusOf(m) {
		case "":
			if s, ok := stored(m); ok {
				got.msgs = append(got.msgs, sh.trim(s))
			}
			read++
		case "204": // end of batch
			pending := m.Header.Get("Nats-Num-Pending")
			after, err1 := strconv.ParseUint(pending, 10, 64)
			last, err2 := strconv.ParseUint(m.Header.Get("Nats-Last-Sequence"), 10, 64)
			if err1 != nil || err2 != nil {
				return got, fmt.Errorf("%w: reading %s: the store does not say where it stopped", failure.ErrUnavailable, sh.stream)
			}
			got.last, got.pending, got.done = last, read+after, after == 0
			return got, nil
		case "404": // nothing there
			got.done = true
			return got, nil
		case "413":
			return got, errTooMany
		default:
			return got, fmt.Errorf("%w: reading %s: %s", failure.ErrUnavailable, sh.stream, m.Header.Get("Description"))
		}
	}
}

// statusOf is what the server says instead of a message; empty if m is one that is stored. Who publishes a message may
// give it any header, also one that is called Status.
func statusOf(m *nats.Msg) string {
	if serverHeader(m.Header, "Nats-Sequence") != "" {
		return ""
	}
	return m.Header.Get("Status")
}

// serverHeader returns a header that the server adds to a stored message when it gives it out: the last one of that name,
// since the message may have one of its own.
func serverHeader(h nats.Header, name string) string {
	values := h[name]
	if len(values) == 0 {
		return ""
	}
	return values[len(values)-1]
}

// stored reads a message as a direct get brings it. It returns false for one with headers that can't be read, which has
// lost its place with them: no client can tell what it is.
func stored(m *nats.Msg) (s Stored, ok bool) {
	seq, err := strconv.ParseUint(serverHeader(m.Header, "Nats-Sequence"), 10, 64)
	if err != nil || seq == 0 {
		return Stored{}, false
	}
	at, _ := time.Parse(time.RFC3339Nano, serverHeader(m.Header, "Nats-Time-Stamp")) // written by the server
	return Stored{
		Subject: serverHeader(m.Header, "Nats-Subject"), Seq: seq, Time: at, Header: m.Header, Data: m.Data, size: len(m.Data),
	}, true
}

// unreadable reports whether nats.go could not read a stored message for its headers: as a direct get brings it, or
// otherwise.
func unreadable(err error) bool {
	return errors.Is(err, nats.ErrBadHeaderMsg) || err != nil && strings.Contains(err.Error(), "response should have headers")
}

// trim leaves out what a list does not show of a body: a page of bodies could be gigabytes.
func (sh Shelf) trim(s Stored) Stored {
	switch {
	case sh.whole, sh.stream == topology.StreamHistory:
	case sh.stream == topology.StreamDead:
		s.cut(deadPreview)
	default:
		s.cut(0)
	}
	return s
}

// last returns the last message of a stream on a subject, which may have wildcards; ErrNotFound when there is none.
func (b *Bus) last(ctx context.Context, stream, subject string) (Stored, error) {
	return get(ctx, b.reads, stream, fetchQuery{Last: subject})
}

// place returns the sequence of the first message that q chooses, which may be one that can't be read; 0 when there is none.
func (b *Bus) place(ctx context.Context, sh Shelf, q fetchQuery) (uint64, error) {
	q.Batch = 1
	got, err := fetch(ctx, b.reads, sh, q)
	return got.last, err
}

// get asks a stream for one message, whole; ErrNotFound when there is none, and errNoDelivery when it can't be read.
func get(ctx context.Context, c *connection.Conn, stream string, q fetchQuery) (Stored, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	req, err := json.Marshal(q)
	if err != nil {
		return Stored{}, err
	}
	m, err := c.RequestMsgWithContext(ctx, &nats.Msg{Subject: directPrefix + stream, Data: req})
	if err != nil {
		return Stored{}, fmt.Errorf("reading %s: %w", stream, failure.Classify(err))
	}
	switch statusOf(m) {
	case "":
		s, ok := stored(m)
		if !ok {
			return Stored{}, fmt.Errorf("reading %s: %w", stream, errNoDelivery)
		}
		return s, nil
	case "404":
		return Stored{}, failure.ErrNotFound
	default:
		return Stored{}, fmt.Errorf("%w: reading %s: %s", failure.ErrUnavailable, stream, m.Header.Get("Description"))
	}
}

// message reads one message of a stream whole, as get does. An operator's stream of events may allow no direct gets; then
// its leader is asked, whose answer can't be mistaken for a message.
func (b *Bus) message(ctx context.Context, stream string, q fetchQuery) (Stored, error) {
	s := b.shelves[stream]
	if s.CachedInfo().Config.AllowDirect {
		return get(ctx, b.reads, stream, q)
	}
	var m *jetstream.RawStreamMsg
	var err error
	if q.Last != "" {
		m, err = s.GetLastMsgForSubject(ctx, q.Last)
	} else {
		m, err = s.GetMsg(ctx, q.Seq, jetstream.WithGetMsgSubject(q.Subject))
	}
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return Stored{}, failure.ErrNotFound
	case unreadable(err):
		return Stored{}, fmt.Errorf("reading %s: %w", stream, errNoDelivery)
	case err != nil:
		return Stored{}, fmt.Errorf("reading %s: %w", stream, failure.Classify(err))
	}
	return Stored{Subject: m.Subject, Seq: m.Sequence, Time: m.Time, Header: m.Header, Data: m.Data, size: len(m.Data)}, nil
}
