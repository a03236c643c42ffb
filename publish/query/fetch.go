package query

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"jethook/publish/connection"
	"jethook/publish/failure"
	"jethook/publish/topology"
)

// Reader reads streams and counts them, through one connection: the server answers its questions one after the other.
type Reader struct {
	conn    *connection.Conn
	streams map[string]jetstream.Stream
	limit   func(context.Context) (int64, error) // how many bytes all streams together may hold; 0: no limit
}

// NewReader opens streams for reading. limit tells how many bytes all streams together may hold; 0: there is no limit.
func NewReader(ctx context.Context, p *connection.Patience, conn *connection.Conn, names []string,
	limit func(context.Context) (int64, error),
) (*Reader, error) {
	r := &Reader{conn: conn, limit: limit, streams: make(map[string]jetstream.Stream)}
	for _, name := range names {
		if err := p.Await(ctx, "stream "+name+" in JetStream", func(ctx context.Context) (err error) {
			r.streams[name], err = conn.JS.Stream(ctx, name)
			return err
		}); err != nil {
			return nil, fmt.Errorf("opening stream %s: %w", name, err)
		}
	}
	return r, nil
}

// Stream is one of the streams, for what a Reader has no method for. nil: it was not opened.
func (rd *Reader) Stream(name string) jetstream.Stream { return rd.streams[name] }

const directPrefix = "DIRECT.GET."

// Question is a direct get. nats.go has no call for several messages, none for times, and takes no wildcards:
// https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-31.md
type Question struct {
	Seq       uint64     `json:"seq,omitempty"`
	StartTime *time.Time `json:"start_time,omitempty"`
	Subject   string     `json:"next_by_subj,omitempty"`
	Last      string     `json:"last_by_subj,omitempty"`
	Newest    []string   `json:"multi_last,omitempty"` // the newest message of each subject that matches
	Batch     int        `json:"batch,omitempty"`
	MaxBytes  int        `json:"max_bytes,omitempty"`
}

// Answer is the answer to a fetchQuery.
type Answer struct {
	Msgs    []Stored // without those that can't be read
	Last    uint64   // the place of the last one, whether it can be read or not; 0: there is none
	pending uint64   // how many messages of the stream match from the first one on, itself included
	Done    bool     // nothing that matches lies behind these
}

// Fetch asks a selection's stream for a batch, as q must say. Bodies are left out as the selection says.
func Fetch(ctx context.Context, c *connection.Conn, sel Selection, q Question) (got Answer, err error) {
	ctx, cancel := context.WithTimeout(ctx, ReadTimeout) // an answer that the connection lost never comes
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
	if err := c.PublishRequest(c.API(directPrefix+sel.Stream), sub.Subject, req); err != nil {
		return got, failure.Classify(err)
	}
	for read := uint64(0); ; {
		m, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			return got, fmt.Errorf("reading %s: %w", sel.Stream, failure.Classify(err))
		}
		switch statusOf(m) {
		case "":
			if s, ok := stored(m); ok {
				got.Msgs = append(got.Msgs, sel.trim(s))
			}
			read++
		case "204": // end of batch
			pending := m.Header.Get("Nats-Num-Pending")
			after, err1 := strconv.ParseUint(pending, 10, 64)
			last, err2 := strconv.ParseUint(m.Header.Get("Nats-Last-Sequence"), 10, 64)
			if err1 != nil || err2 != nil {
				return got, fmt.Errorf("%w: reading %s: the store does not say where it stopped", failure.ErrUnavailable, sel.Stream)
			}
			got.Last, got.pending, got.Done = last, read+after, after == 0
			return got, nil
		case "404": // nothing there
			got.Done = true
			return got, nil
		case "413":
			return got, errTooMany
		default:
			return got, fmt.Errorf("%w: reading %s: %s", failure.ErrUnavailable, sel.Stream, m.Header.Get("Description"))
		}
	}
}

// statusOf is what the server says instead of a message; empty if m is one that is stored. Who publishes a message may
// give it any header, also one that is called Status.
func statusOf(m *nats.Msg) string {
	if ServerHeader(m.Header, "Nats-Sequence") != "" {
		return ""
	}
	return m.Header.Get("Status")
}

// ServerHeader returns a header that the server adds to a stored message when it gives it out: the last one of that name,
// since the message may have one of its own.
func ServerHeader(h nats.Header, name string) string {
	values := h[name]
	if len(values) == 0 {
		return ""
	}
	return values[len(values)-1]
}

// stored reads a message as a direct get brings it. It returns false for one with headers that can't be read, which has
// lost its place with them: no client can tell what it is.
func stored(m *nats.Msg) (s Stored, ok bool) {
	seq, err := strconv.ParseUint(ServerHeader(m.Header, "Nats-Sequence"), 10, 64)
	if err != nil || seq == 0 {
		return Stored{}, false
	}
	at, _ := time.Parse(time.RFC3339Nano, ServerHeader(m.Header, "Nats-Time-Stamp")) // written by the server
	return Stored{
		Subject: ServerHeader(m.Header, "Nats-Subject"), Seq: seq, Time: at, Header: m.Header, Data: m.Data, size: len(m.Data),
	}, true
}

// ErrUnreadable means that a stored message has headers that no client can read.
var ErrUnreadable = errors.New("the message can't be read")

// IsUnreadable reports whether nats.go could not read a stored message for its headers: as a direct get brings it, or
// otherwise.
func IsUnreadable(err error) bool {
	return errors.Is(err, nats.ErrBadHeaderMsg) || err != nil && strings.Contains(err.Error(), "response should have headers")
}

// trim leaves out what a list does not show of a body: a page of bodies could be gigabytes.
func (sel Selection) trim(s Stored) Stored {
	switch {
	case sel.Bodies, sel.Stream == topology.StreamHistory:
	case sel.Stream == topology.StreamDead:
		s.cut(DeadPreview)
	default:
		s.cut(0)
	}
	return s
}

// Last returns the last message of a stream on a subject, which may have wildcards; ErrNotFound when there is none.
func (rd *Reader) Last(ctx context.Context, stream, subject string) (Stored, error) {
	return Get(ctx, rd.conn, stream, Question{Last: subject})
}

// Place returns the sequence of the first message that q chooses, which may be one that can't be read; 0 when there is none.
func (rd *Reader) Place(ctx context.Context, sel Selection, q Question) (uint64, error) {
	q.Batch = 1
	got, err := Fetch(ctx, rd.conn, sel, q)
	return got.Last, err
}

// Get asks a stream for one message, whole; ErrNotFound when there is none, and errUnreadable when it can't be read.
func Get(ctx context.Context, c *connection.Conn, stream string, q Question) (Stored, error) {
	ctx, cancel := context.WithTimeout(ctx, ReadTimeout)
	defer cancel()
	req, err := json.Marshal(q)
	if err != nil {
		return Stored{}, err
	}
	m, err := c.RequestMsgWithContext(ctx, &nats.Msg{Subject: c.API(directPrefix + stream), Data: req})
	if err != nil {
		return Stored{}, fmt.Errorf("reading %s: %w", stream, failure.Classify(err))
	}
	switch statusOf(m) {
	case "":
		s, ok := stored(m)
		if !ok {
			return Stored{}, fmt.Errorf("reading %s: %w", stream, ErrUnreadable)
		}
		return s, nil
	case "404":
		return Stored{}, failure.ErrNotFound
	default:
		return Stored{}, fmt.Errorf("%w: reading %s: %s", failure.ErrUnavailable, stream, m.Header.Get("Description"))
	}
}

// Message reads one message of a stream whole, as get does. An operator's stream of events may allow no direct gets; then
// its leader is asked, whose answer can't be mistaken for a message.
func (rd *Reader) Message(ctx context.Context, stream string, q Question) (Stored, error) {
	s := rd.streams[stream]
	if s.CachedInfo().Config.AllowDirect {
		return Get(ctx, rd.conn, stream, q)
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
	case IsUnreadable(err):
		return Stored{}, fmt.Errorf("reading %s: %w", stream, ErrUnreadable)
	case err != nil:
		return Stored{}, fmt.Errorf("reading %s: %w", stream, failure.Classify(err))
	}
	return Stored{Subject: m.Subject, Seq: m.Sequence, Time: m.Time, Header: m.Header, Data: m.Data, size: len(m.Data)}, nil
}

// DirectGet reads up to n messages of the selection from sequence lo on. What it has read at last, got.last, may lie behind
// the messages that can be read.
func (rd *Reader) DirectGet(ctx context.Context, sel Selection, lo uint64, n int) (got Answer, err error) {
	return Fetch(ctx, rd.conn, sel, Question{Seq: lo, Subject: sel.Subject, Batch: n, MaxBytes: ReadBytes})
}
