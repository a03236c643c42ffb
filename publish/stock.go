package publish

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/tidwall/gjson"

	"jethook/publish/failure"
	"jethook/publish/jsontext"
	"jethook/publish/topology"
)

// Pile is what lies on a shelf.
type Pile struct {
	Total uint64  // messages on the shelf
	First *Stored // the first that was stored, without its body; nil when there is none, or when it can't be read
}

// Peek counts a shelf and reads its first message, in one request: the server counts in its index in memory, and looks
// for the first message in the file that has it, which takes it up to a millisecond.
func (b *Bus) Peek(ctx context.Context, sh Shelf) (p Pile, err error) {
	err = b.PeekEach(ctx, []Shelf{sh}, func(_ int, found Pile) { p = found })
	return p, err
}

// PeekEach is Peek for many shelves, without waiting for one answer before the next question. It tells each pile with
// the place of its shelf, from this goroutine.
func (b *Bus) PeekEach(ctx context.Context, shelves []Shelf, tell func(i int, p Pile)) error {
	piles := make([]Pile, len(shelves))
	return b.askEach(ctx, shelves, func(sh Shelf) (string, any) {
		return directPrefix + sh.stream, fetchQuery{Batch: 1, Subject: sh.subject, MaxBytes: readBytes}
	}, func(i int, m *nats.Msg) (whole bool, err error) {
		if whole, err = piles[i].add(m); whole {
			tell(i, piles[i])
			piles[i] = Pile{}
		}
		return whole, err
	})
}

// ReadAll reads a shelf in the order in which it was stored, without bodies, until its end or until it has read so many
// bytes. It returns how many messages it has read.
func (b *Bus) ReadAll(ctx context.Context, sh Shelf, maxBytes int, tell func(*Stored)) (read uint64, err error) {
	const page = 1000
	for lo, bytes := uint64(0), 0; bytes < maxBytes; {
		got, err := b.directGet(ctx, sh, lo, page)
		if err != nil {
			return read, err
		}
		for i := range got.msgs {
			tell(&got.msgs[i])
			read++
			bytes += got.msgs[i].size
		}
		if got.done || got.last == 0 {
			break
		}
		lo = got.last + 1
	}
	return read, nil
}

// beyond is a page of a list of subjects that there is not: the answer has their number and none of them.
const beyond = 1 << 30

// CountEach counts the messages of many shelves that have a subject for each message, in the server's index alone: it
// reads none of them, and takes a tenth of a millisecond and a little for each message. It tells each count with the
// place of its shelf, from this goroutine.
func (b *Bus) CountEach(ctx context.Context, shelves []Shelf, tell func(i int, n uint64)) error {
	return b.askEach(ctx, shelves, func(sh Shelf) (string, any) {
		return "$JS.API.STREAM.INFO." + sh.stream, map[string]any{"subjects_filter": sh.subject, "offset": beyond}
	}, func(i int, m *nats.Msg) (bool, error) {
		if fault := gjson.GetBytes(m.Data, "error"); fault.Exists() || !jsontext.Valid(m.Data) {
			return false, fmt.Errorf("%w: %s", failure.ErrUnavailable, fault.Get("description").Str)
		}
		tell(i, gjson.GetBytes(m.Data, "total").Uint())
		return true, nil
	})
}

// asksAtOnce is how many questions of askEach are under way, and askedBytes how many bytes their answers may have together:
// who is sent more than it reads is cut off.
const (
	asksAtOnce = 16
	askedBytes = 32 << 20
)

// askEach puts a question for each shelf, and takes in the messages of the answers until each is whole.
func (b *Bus) askEach(ctx context.Context, shelves []Shelf, question func(Shelf) (subject string, content any),
	take func(i int, m *nats.Msg) (whole bool, err error),
) error {
	inbox := b.reads.NewInbox() + "."
	sub, err := b.reads.SubscribeSync(inbox + "*")
	if err != nil {
		return fmt.Errorf("counting: %w", failure.Classify(err))
	}
	defer sub.Unsubscribe() //nolint:errcheck // late answers are dropped
	most := max(1, min(asksAtOnce, askedBytes/b.MaxMessage()))
	for asked, answered := 0, 0; answered < len(shelves); {
		for ; asked < len(shelves) && asked-answered < most; asked++ {
			subject, content := question(shelves[asked])
			data, err := json.Marshal(content)
			if err == nil {
				err = b.reads.PublishRequest(subject, inbox+strconv.Itoa(asked), data)
			}
			if err != nil {
				return fmt.Errorf("counting %s: %w", shelves[asked].subject, failure.Classify(err))
			}
		}
		m, err := nextAnswer(ctx, sub)
		if err != nil {
			return fmt.Errorf("counting: %w", err)
		}
		i, err := strconv.Atoi(strings.TrimPrefix(m.Subject, inbox))
		if err != nil || i < 0 || i >= asked {
			continue
		}
		whole, err := take(i, m)
		if err != nil {
			return fmt.Errorf("counting %s: %w", shelves[i].subject, err)
		}
		if whole {
			answered++
		}
	}
	return nil
}

// nextAnswer returns the next message of an answer. One that the connection lost never comes.
func nextAnswer(ctx context.Context, sub *nats.Subscription) (*nats.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	m, err := sub.NextMsgWithContext(ctx)
	return m, failure.Classify(err)
}

// add takes in one message of the answer and reports whether it was the last.
func (p *Pile) add(m *nats.Msg) (whole bool, err error) {
	switch statusOf(m) {
	case "":
		if one, ok := stored(m); ok {
			one.cut(0)
			p.First = &one
		}
		return false, nil
	case "204": // the end of the one message
		after, err := strconv.ParseUint(m.Header.Get("Nats-Num-Pending"), 10, 64)
		if err != nil {
			return false, fmt.Errorf("%w: the store does not say how many there are", failure.ErrUnavailable)
		}
		p.Total = after + 1
		return true, nil
	case "404": // nothing there
		return true, nil
	default:
		return false, fmt.Errorf("%w: %s", failure.ErrUnavailable, m.Header.Get("Description"))
	}
}

// fewSubjects is up to how many subjects of a shelf are listed at once.
const fewSubjects = 20_000

// CountByEndpoint counts what each endpoint has of a shelf that is everybody's and has a subject for each message. It
// returns false for a shelf of so many that counting each endpoint's own is cheaper.
func (b *Bus) CountByEndpoint(ctx context.Context, sh Shelf) (counts map[string]uint64, ok bool, err error) {
	s := b.shelves[sh.stream]
	var total uint64
	if err := b.CountEach(ctx, []Shelf{sh}, func(_ int, n uint64) { total = n }); err != nil {
		return nil, false, err
	}
	if total > fewSubjects {
		return nil, false, nil
	}
	info, err := s.Info(ctx, jetstream.WithSubjectFilter(sh.subject))
	if err != nil {
		return nil, false, fmt.Errorf("counting %s: %w", sh.subject, failure.Classify(err))
	}
	counts = make(map[string]uint64)
	for subject, n := range info.State.Subjects {
		if tokens := strings.SplitN(subject, ".", 4); len(tokens) > 2 {
			counts[tokens[2]] += n
		}
	}
	return counts, true, nil
}

// StreamState is how full a stream is.
type StreamState struct {
	Name            string
	Messages, Bytes uint64
	MaxBytes        int64         // 0: the store's limit alone
	MaxAge          time.Duration // 0: none
	Oldest          time.Time     // when its first message was stored; zero when it is empty
}

// StreamStates returns how full each stream is.
func (b *Bus) StreamStates(ctx context.Context) ([]StreamState, error) {
	var states []StreamState
	for _, name := range []string{topology.StreamWebhooks, topology.StreamEvents, topology.StreamOps, topology.StreamDeliveries, topology.StreamDead, topology.StreamHistory, topology.StreamRejected} {
		info, err := b.shelves[name].Info(ctx)
		if err != nil {
			return nil, fmt.Errorf("asking for stream %s: %w", name, failure.Classify(err))
		}
		s := StreamState{
			Name: name, Messages: info.State.Msgs, Bytes: info.State.Bytes,
			MaxBytes: max(0, info.Config.MaxBytes), MaxAge: info.Config.MaxAge,
		}
		if s.Messages > 0 {
			s.Oldest = info.State.FirstTime.UTC()
		}
		states = append(states, s)
	}
	return states, nil
}

// StoreState is how full the whole store is, in bytes.
type StoreState struct {
	Used  uint64 `json:"bytes"`
	Limit int64  `json:"bytes_limit,omitempty" doc:"maximum size in bytes; absent: no limit"`
}

// StoreState returns how much all streams hold together, those of others in the same account among them.
func (b *Bus) StoreState(ctx context.Context) (s StoreState, err error) {
	info, err := b.reads.JS.AccountInfo(ctx)
	if err != nil {
		return s, fmt.Errorf("asking for the store: %w", failure.Classify(err))
	}
	s.Used = info.Store
	s.Limit, err = b.storage(ctx)
	return s, err
}

// Queues are all that consume processes share.
func (b *Bus) Queues() []topology.Queue {
	all := []topology.Queue{topology.QueueWebhooks, topology.QueueEvents, topology.QueueOps, topology.QueueDue}
	if slices.Contains(b.streams[topology.StreamDeliveries].CachedInfo().Config.Subjects, topology.TurnSubjects) {
		all = append(all, topology.QueueTurns)
	}
	return all
}

// QueueState is how far the processes are with a queue.
type QueueState struct {
	Stream, Name string
	Pending      uint64    // messages that no process has taken yet
	Unacked      int       // messages that a process has taken and that have no outcome yet
	Oldest       time.Time // when the oldest of both was stored; zero when there is none
}

// QueueStates returns the state of each queue that there is: a process that delivers makes them when it first runs.
func (b *Bus) QueueStates(ctx context.Context) (states []QueueState, err error) {
	for _, q := range b.Queues() {
		info, err := b.queueInfo(ctx, q)
		if err != nil {
			return nil, err
		}
		if info == nil {
			continue
		}
		s := QueueState{Stream: q.Stream, Name: q.Name, Pending: info.NumPending, Unacked: info.NumAckPending}
		if s.Pending > 0 || s.Unacked > 0 {
			if s.Oldest, err = b.oldestOf(ctx, q, info.AckFloor.Stream); err != nil {
				return nil, err
			}
		}
		states = append(states, s)
	}
	return states, nil
}

// Untaken returns how many messages of a queue no process has taken yet.
func (b *Bus) Untaken(ctx context.Context, q topology.Queue) (uint64, error) {
	info, err := b.queueInfo(ctx, q)
	if err != nil || info == nil {
		return 0, err
	}
	return info.NumPending, nil
}

// queueInfo returns what the server tells of a queue, nil when there is none yet.
func (b *Bus) queueInfo(ctx context.Context, q topology.Queue) (*jetstream.ConsumerInfo, error) {
	c, err := b.reads.JS.Consumer(ctx, q.Stream, q.Name)
	switch {
	case errors.Is(err, jetstream.ErrConsumerNotFound):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("asking for consumer %s of %s: %w", q.Name, q.Stream, failure.Classify(err))
	}
	return c.CachedInfo(), nil
}

// oldestOf returns when the first message of a queue was stored that has no outcome.
func (b *Bus) oldestOf(ctx context.Context, q topology.Queue, floor uint64) (time.Time, error) {
	from := floor + 1
	if q.Stream == topology.StreamDeliveries { // what has its outcome is gone, and the server finds the first of a stream at once
		from = 1
	}
	m, err := b.message(ctx, q.Stream, fetchQuery{Seq: from, Subject: q.Filter})
	switch {
	case errors.Is(err, failure.ErrNotFound), errors.Is(err, errNoDelivery): // it has its outcome by now, or can't tell
		return time.Time{}, nil
	case err != nil:
		return time.Time{}, fmt.Errorf("reading the oldest of %s: %w", q.Filter, err)
	}
	return m.Time.UTC(), nil
}

// NewestOf returns when the newest message of the shelf was stored; zero when there is none, or when it
// can't be read.
func (b *Bus) NewestOf(ctx context.Context, sh Shelf) (time.Time, error) {
	m, err := b.message(ctx, sh.stream, fetchQuery{Last: sh.subject})
	switch {
	case errors.Is(err, failure.ErrNotFound), errors.Is(err, errNoDelivery):
		return time.Time{}, nil
	case err != nil:
		return time.Time{}, fmt.Errorf("reading the newest of %s: %w", sh.subject, err)
	}
	return m.Time, nil
}
