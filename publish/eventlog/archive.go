package eventlog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"jethook/publish/aside"
	"jethook/publish/connection"
	"jethook/publish/event"
	"jethook/publish/failure"
	"jethook/publish/pull"
	"jethook/publish/query"
	"jethook/publish/topology"
)

// Archive reads events that are stored, also those that nobody waits for any more.
type Archive struct {
	reads     *connection.Conn
	reader    *query.Reader
	consumers *pull.Set
}

// New returns one.
func New(reads *connection.Conn, reader *query.Reader, consumers *pull.Set) *Archive {
	return &Archive{reads: reads, reader: reader, consumers: consumers}
}

// Head is an event as it lies in its stream, without its body.
type Head struct {
	event.Event
	Stream string
	Seq    uint64
	Time   time.Time // when it was stored
	Size   int       // bytes of its body
}

// Tail reads the heads of a selection's events from the newest to the oldest. JetStream reads forwards only, so it
// reads spans from the end, each with a consumer of its own that leaves the bodies where they are: that passes
// more than twice as many events a second as reading them whole would.
type Tail struct {
	bus       *Archive
	selection query.Selection
	from      uint64 // the lowest sequence to be read
	before    uint64 // what is below it is still to be read
	above     uint64 // how many messages of the selection lie at before and above
	span      uint64 // how many sequences to look at next
}

const (
	firstHeads = 256
	// maxHeads bounds how many heads one read gives: some megabytes.
	maxHeads = 4096
)

// Tail returns a reader of the selection's events that were stored since a time and before another one; a zero time
// sets no bound.
func (a *Archive) Tail(ctx context.Context, sel query.Selection, since, until time.Time) (*Tail, error) {
	info, err := a.reader.Stream(sel.Stream).Info(ctx)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", sel.Stream, failure.Classify(err))
	}
	t := &Tail{bus: a, selection: sel, from: max(info.State.FirstSeq, 1), before: info.State.LastSeq + 1, span: firstHeads}
	if !since.IsZero() {
		if t.from, err = a.firstSince(ctx, sel.Stream, since, t.before); err != nil {
			return nil, err
		}
	}
	if !until.IsZero() {
		if t.before, err = a.firstSince(ctx, sel.Stream, until, t.before); err != nil {
			return nil, err
		}
		return t, t.Seek(ctx, t.before)
	}
	return t, nil
}

// Before is the sequence below which the reader goes on; Done reports whether nothing is left there.
func (t *Tail) Before() uint64 { return t.before }

// Done reports whether all was read.
func (t *Tail) Done() bool { return t.before <= t.from }

// Seek lets the reader go on below a sequence, if it has not passed it.
func (t *Tail) Seek(ctx context.Context, before uint64) error {
	t.before = min(t.before, before)
	if t.Done() {
		return nil
	}
	c, err := t.openReader(ctx, t.before)
	if err != nil {
		return err
	}
	defer t.bus.consumers.DropReader(ctx, t.selection.Stream, c)
	t.above = c.CachedInfo().NumPending
	return nil
}

// Next returns the next events, newest first: some thousands at most, and none only when all was read or ctx
// ended.
func (t *Tail) Next(ctx context.Context) (heads []Head, err error) {
	for len(heads) == 0 && !t.Done() && err == nil {
		heads, err = t.read(ctx)
	}
	slices.Reverse(heads)
	return heads, err
}

// read reads one span, in the order of the stream. One that holds too much is made smaller instead, and one after
// a span that held nothing larger.
func (t *Tail) read(ctx context.Context) ([]Head, error) {
	lo := max(t.from, 1)
	if t.before-lo > t.span {
		lo = t.before - t.span
	}
	c, err := t.openReader(ctx, lo)
	if err != nil {
		return nil, err
	}
	defer t.bus.consumers.DropReader(ctx, t.selection.Stream, c)
	pending := c.CachedInfo().NumPending
	n := pending - min(t.above, pending)
	if n > maxHeads && t.span > maxHeads {
		t.span = max(t.span/8, maxHeads)
		return nil, nil
	}
	var heads []Head
	if n > 0 {
		if heads, err = readHeads(ctx, c, t.selection.Stream, int(n), t.before); err != nil {
			return nil, err
		}
	}
	t.before, t.above = lo, pending
	switch {
	case n < maxHeads/8:
		t.span *= 8
	case n <= maxHeads/2:
		t.span *= 2
	}
	return heads, nil
}

// openReader reads the selection from a sequence on.
func (t *Tail) openReader(ctx context.Context, from uint64) (*pull.Consumer, error) {
	cfg := jetstream.ConsumerConfig{DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: from}
	switch t.selection.Subject {
	case topology.WebhooksPrefix + ">", topology.EventsPrefix + ">", topology.OpsPrefix + ">": // all of the stream: counting is far cheaper without a filter
	default:
		cfg.FilterSubject = t.selection.Subject
	}
	return t.bus.consumers.OpenReader(ctx, t.selection.Stream, cfg)
}

// errGap means that messages were lost on their way here.
var errGap = fmt.Errorf("%w: messages were lost on the way", failure.ErrUnavailable)

// readHeads takes n heads off a new consumer, or as many as it has, up to a sequence.
func readHeads(ctx context.Context, c *pull.Consumer, stream string, n int, before uint64) (heads []Head, err error) {
	for taken := 0; taken < n; {
		batch, err := c.TakeStored(ctx, n-taken)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", stream, failure.Classify(err))
		}
		had := taken
		for m := range batch.Messages() {
			meta, err := m.Metadata()
			if err != nil {
				return nil, fmt.Errorf("reading an event's place: %w", err)
			}
			if taken++; meta.Sequence.Consumer != uint64(taken) {
				return nil, fmt.Errorf("reading %s: %w", stream, errGap)
			}
			if meta.Sequence.Stream >= before {
				return heads, nil
			}
			heads = append(heads, headOf(m.Subject(), m.Headers(), nil, stream, meta.Sequence.Stream, meta.Timestamp))
		}
		if err := errors.Join(batch.Error(), ctx.Err()); err != nil {
			return nil, fmt.Errorf("reading %s: %w", stream, failure.Classify(err))
		}
		if taken > had {
			continue
		}
		// Either there are fewer by now, or the server was silent for a second, which ends a fetch without a word.
		info, err := c.Info(ctx)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", stream, failure.Classify(err))
		}
		if info.Delivered.Consumer != uint64(taken) {
			return nil, fmt.Errorf("reading %s: %w", stream, errGap)
		}
		if info.NumPending == 0 {
			break
		}
	}
	return heads, nil
}

func headOf(subject string, h nats.Header, body []byte, stream string, seq uint64, at time.Time) Head {
	size := len(body)
	if text := query.ServerHeader(h, nats.MsgSize); body == nil && text != "" {
		size, _ = strconv.Atoi(text)
	}
	e := event.Parse(subject, h, body, stream, seq, at)
	return Head{Event: e, Stream: stream, Seq: seq, Time: at, Size: max(size, e.Away)}
}

// firstSince returns the sequence of the first message of a stream that was stored at or after a time, or end when
// there is none. Unlike seek it needs no direct gets, which an operator's stream of events may not allow.
func (a *Archive) firstSince(ctx context.Context, stream string, at time.Time, end uint64) (uint64, error) {
	c, err := a.consumers.OpenReader(ctx, stream, jetstream.ConsumerConfig{DeliverPolicy: jetstream.DeliverByStartTimePolicy, OptStartTime: &at})
	if err != nil {
		return 0, err
	}
	defer a.consumers.DropReader(ctx, stream, c)
	heads, err := readHeads(ctx, c, stream, 1, end)
	if err != nil || len(heads) == 0 {
		return end, err
	}
	return heads[0].Seq, nil
}

// Read returns the event at a place in a stream whole, with its Header as it is stored, or ErrNotFound, also when it
// can't be read.
func (a *Archive) Read(ctx context.Context, stream string, seq uint64) (Head, error) {
	if a.reader.Stream(stream) == nil || seq == 0 {
		return Head{}, failure.ErrNotFound
	}
	m, err := a.reader.Message(ctx, stream, query.Question{Seq: seq})
	if errors.Is(err, query.ErrUnreadable) {
		return Head{}, failure.ErrNotFound
	}
	if err != nil {
		return Head{}, err
	}
	h := headOf(m.Subject, m.Header, m.Data, stream, seq, m.Time)
	h.Header = ownHeaders(m.Header)
	return h, nil
}

// ownHeaders returns the headers that are the event's: others with Nats- tell of how it was stored or read.
func ownHeaders(all nats.Header) nats.Header {
	own := make(nats.Header, len(all))
	for name, values := range all {
		if name == event.HeaderMsgID || !strings.HasPrefix(name, "Nats-") {
			own[name] = values
		}
	}
	return own
}

// KeysOf returns what the ids of deliveries of an event can end in that has this id: as an internal event, and as a
// webhook of each source of which one is stored. They may hold wildcards.
func (a *Archive) KeysOf(ctx context.Context, id string) (keys []string, err error) {
	keys = append(keys, (&event.Event{ID: id}).DeliverySuffixes()...)
	info, err := a.reader.Stream(topology.StreamWebhooks).Info(ctx, jetstream.WithSubjectFilter(topology.WebhooksPrefix+">"))
	if err != nil {
		return nil, fmt.Errorf("looking for sources: %w", failure.Classify(err))
	}
	for subject := range info.State.Subjects {
		source, _, _ := strings.Cut(strings.TrimPrefix(subject, topology.WebhooksPrefix), ".")
		if suffixes := (&event.Event{ID: id, Source: source}).DeliverySuffixes(); !slices.Contains(keys, suffixes[0]) {
			keys = append(keys, suffixes...)
		}
	}
	return keys, nil
}

// Complete gives an event that was read its body, if that is stored aside. The error is ErrBodyGone when it is not there
// any more, or is another one.
func (a *Archive) Complete(ctx context.Context, e *event.Event) error {
	return aside.Complete(ctx, a.reads, e)
}
