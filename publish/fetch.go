package publish

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
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
	msgs    []Stored
	pending uint64 // how many messages of the stream match from the first one on, itself included
	done    bool   // nothing that matches lies behind these
}

// fetch asks a shelf's stream for a batch, as q must say. Bodies are left out as the shelf says.
func (b *Bus) fetch(ctx context.Context, sh Shelf, q fetchQuery) (got fetched, err error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout) // an answer that the connection lost never comes
	defer cancel()
	req, err := json.Marshal(q)
	if err != nil {
		return got, err
	}
	sub, err := b.reads.SubscribeSync(b.reads.NewInbox())
	if err != nil {
		return got, classify(err)
	}
	defer sub.Unsubscribe()
	if err := b.reads.PublishRequest(directPrefix+sh.stream, sub.Subject, req); err != nil {
		return got, classify(err)
	}
	for {
		m, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			return got, fmt.Errorf("reading %s: %w", sh.stream, classify(err))
		}
		switch m.Header.Get("Status") {
		case "":
			if len(got.msgs) == 0 {
				pending, _ := strconv.ParseUint(m.Header.Get("Nats-Num-Pending"), 10, 64) // written by the server
				got.pending = pending + 1
			}
			got.msgs = append(got.msgs, sh.trim(stored(m)))
		case "204": // end of batch
			got.done = m.Header.Get("Nats-Num-Pending") == "0"
			return got, nil
		case "404": // nothing there
			got.done = true
			return got, nil
		case "413":
			return got, errTooMany
		default:
			return got, fmt.Errorf("%w: reading %s: %s", ErrUnavailable, sh.stream, m.Header.Get("Description"))
		}
	}
}

// trim leaves out what a list does not show of a body: a page of bodies could be gigabytes.
func (sh Shelf) trim(s Stored) Stored {
	switch {
	case sh.whole, sh.stream == StreamHistory:
	case sh.stream == StreamDead:
		s.cut(deadPreview)
	default:
		s.cut(0)
	}
	return s
}

// last returns the last message of a stream on a subject, which may have wildcards; ErrNotFound when there is none.
func (b *Bus) last(ctx context.Context, stream, subject string) (Stored, error) {
	return b.get(ctx, stream, fetchQuery{Last: subject})
}

// get asks a stream for one message, whole; ErrNotFound when there is none.
func (b *Bus) get(ctx context.Context, stream string, q fetchQuery) (Stored, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	req, err := json.Marshal(q)
	if err != nil {
		return Stored{}, err
	}
	m, err := b.reads.RequestMsgWithContext(ctx, &nats.Msg{Subject: directPrefix + stream, Data: req})
	if err != nil {
		return Stored{}, fmt.Errorf("reading %s: %w", stream, classify(err))
	}
	switch m.Header.Get("Status") {
	case "":
		return stored(m), nil
	case "404":
		return Stored{}, ErrNotFound
	default:
		return Stored{}, fmt.Errorf("%w: reading %s: %s", ErrUnavailable, stream, m.Header.Get("Description"))
	}
}
