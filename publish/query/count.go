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
	"github.com/tidwall/gjson"

	"jethook/publish/embedded"
	"jethook/publish/failure"
	"jethook/publish/jsontext"
	"jethook/publish/topology"
)

// Count is what lies on a selection.
type Count struct {
	Total uint64  // messages on the selection
	First *Stored // the first that was stored, without its body; nil when there is none, or when it can't be read
}

// Peek counts a selection and reads its first message, in one request: the server counts in its index in memory, and looks
// for the first message in the file that has it, which takes it up to a millisecond.
func (rd *Reader) Peek(ctx context.Context, sel Selection) (p Count, err error) {
	err = rd.PeekEach(ctx, []Selection{sel}, func(_ int, found Count) { p = found })
	return p, err
}

// PeekEach is Peek for many selections, without waiting for one answer before the next question. It tells each count with
// the place of its selection, from this goroutine.
func (rd *Reader) PeekEach(ctx context.Context, selections []Selection, tell func(i int, p Count)) error {
	counts := make([]Count, len(selections))
	return rd.AskEach(ctx, selections, func(sel Selection) (string, any) {
		return directPrefix + sel.Stream, Question{Batch: 1, Subject: sel.Subject, MaxBytes: ReadBytes}
	}, func(i int, m *nats.Msg) (whole bool, err error) {
		if whole, err = counts[i].add(m); whole {
			tell(i, counts[i])
			counts[i] = Count{}
		}
		return whole, err
	})
}

// ReadAll reads a selection in the order in which it was stored, without bodies, until its end or until it has read so many
// bytes. It returns how many messages it has read.
func (rd *Reader) ReadAll(ctx context.Context, sel Selection, maxBytes int, tell func(*Stored)) (read uint64, err error) {
	const page = 1000
	for lo, bytes := uint64(0), 0; bytes < maxBytes; {
		got, err := rd.DirectGet(ctx, sel, lo, page)
		if err != nil {
			return read, err
		}
		for i := range got.Msgs {
			tell(&got.Msgs[i])
			read++
			bytes += got.Msgs[i].size
		}
		if got.Done || got.Last == 0 {
			break
		}
		lo = got.Last + 1
	}
	return read, nil
}

// beyond is a page of a list of subjects that there is not: the answer has their number and none of them.
const beyond = 1 << 30

// CountEach counts the messages of many selections that have a subject for each message, in the server's index alone: it
// reads none of them, and takes a tenth of a millisecond and a little for each message. It tells each count with the
// place of its selection, from this goroutine.
func (rd *Reader) CountEach(ctx context.Context, selections []Selection, tell func(i int, n uint64)) error {
	return rd.AskEach(ctx, selections, func(sel Selection) (string, any) {
		return "STREAM.INFO." + sel.Stream, map[string]any{"subjects_filter": sel.Subject, "offset": beyond}
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

// AskEach puts a question for each selection, and takes in the messages of the answers until each is whole.
func (rd *Reader) AskEach(ctx context.Context, selections []Selection, question func(Selection) (subject string, content any),
	take func(i int, m *nats.Msg) (whole bool, err error),
) error {
	inbox := rd.conn.NewInbox() + "."
	sub, err := rd.conn.SubscribeSync(inbox + "*")
	if err != nil {
		return fmt.Errorf("counting: %w", failure.Classify(err))
	}
	defer sub.Unsubscribe() //nolint:errcheck // late answers are dropped
	most := max(1, min(asksAtOnce, askedBytes/int(rd.conn.MaxPayload()+embedded.HeaderRoom)))
	for asked, answered := 0, 0; answered < len(selections); {
		for ; asked < len(selections) && asked-answered < most; asked++ {
			subject, content := question(selections[asked])
			data, err := json.Marshal(content)
			if err == nil {
				err = rd.conn.PublishRequest(rd.conn.API(subject), inbox+strconv.Itoa(asked), data)
			}
			if err != nil {
				return fmt.Errorf("counting %s: %w", selections[asked].Subject, failure.Classify(err))
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
			return fmt.Errorf("counting %s: %w", selections[i].Subject, err)
		}
		if whole {
			answered++
		}
	}
	return nil
}

// nextAnswer returns the next message of an answer. One that the connection lost never comes.
func nextAnswer(ctx context.Context, sub *nats.Subscription) (*nats.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, ReadTimeout)
	defer cancel()
	m, err := sub.NextMsgWithContext(ctx)
	return m, failure.Classify(err)
}

// add takes in one message of the answer and reports whether it was the last.
func (p *Count) add(m *nats.Msg) (whole bool, err error) {
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

// fewSubjects is up to how many subjects of a selection are listed at once.
const fewSubjects = 20_000

// CountByEndpoint counts what each endpoint has of a selection that is everybody's and has a subject for each message. It
// returns false for a selection of so many that counting each endpoint's own is cheaper.
func (rd *Reader) CountByEndpoint(ctx context.Context, sel Selection) (counts map[string]uint64, ok bool, err error) {
	s := rd.streams[sel.Stream]
	var total uint64
	if err := rd.CountEach(ctx, []Selection{sel}, func(_ int, n uint64) { total = n }); err != nil {
		return nil, false, err
	}
	if total > fewSubjects {
		return nil, false, nil
	}
	info, err := s.Info(ctx, jetstream.WithSubjectFilter(sel.Subject))
	if err != nil {
		return nil, false, fmt.Errorf("counting %s: %w", sel.Subject, failure.Classify(err))
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
func (rd *Reader) StreamStates(ctx context.Context) ([]StreamState, error) {
	var states []StreamState
	for _, name := range []string{topology.StreamWebhooks, topology.StreamEvents, topology.StreamOps, topology.StreamDeliveries, topology.StreamDead, topology.StreamHistory, topology.StreamRejected} {
		info, err := rd.streams[name].Info(ctx)
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

// NewestOf returns when the newest message of the selection was stored; zero when there is none, or when it
// can't be read.
func (rd *Reader) NewestOf(ctx context.Context, sel Selection) (time.Time, error) {
	m, err := rd.Message(ctx, sel.Stream, Question{Last: sel.Subject})
	switch {
	case errors.Is(err, failure.ErrNotFound), errors.Is(err, ErrUnreadable):
		return time.Time{}, nil
	case err != nil:
		return time.Time{}, fmt.Errorf("reading the newest of %s: %w", sel.Subject, err)
	}
	return m.Time, nil
}

// Count returns how many messages the selection holds and when the newest came; zero when there is none.
func (rd *Reader) Count(ctx context.Context, sel Selection) (n uint64, newest time.Time, err error) {
	s := rd.streams[sel.Stream]
	info, err := s.Info(ctx, jetstream.WithSubjectFilter(sel.Subject))
	if err != nil {
		return 0, newest, fmt.Errorf("counting %s: %w", sel.Subject, failure.Classify(err))
	}
	for _, c := range info.State.Subjects {
		n += c
	}
	newest, err = rd.NewestOf(ctx, sel)
	return n, newest, err
}
