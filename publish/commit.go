package publish

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"
	"github.com/tidwall/gjson"
)

const (
	// maxBatch and maxBatchBytes bound one commit. The server takes at most 1,000 messages in a batch; past a
	// few hundred the fsync is paid for and only latency grows.
	maxBatch      = 500
	maxBatchBytes = 4 << 20
	// maxGroup is how many messages are stored all or none.
	maxGroup = 1000
	// maxWaiting and maxWaitingBytes bound what waits in this process for its commit.
	maxWaiting      = 16384
	maxWaitingBytes = 128 << 20
	// commitTimeout is how long the store may take for one commit before it counts as unavailable.
	commitTimeout = 5 * time.Second
)

// Headers of an atomic batch: https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-50.md
const (
	headerBatchID     = "Nats-Batch-Id"
	headerBatchSeq    = "Nats-Batch-Sequence"
	headerBatchCommit = "Nats-Batch-Commit"
)

// Receipt says where a message was stored.
type Receipt struct {
	Stream    string
	Seq       uint64
	Duplicate bool // an event with this id was stored before: nothing was added
}

// pending is one message that waits to be stored, and whom to tell.
type pending struct {
	msg  *nats.Msg
	done func(Receipt, error)
	// group is set in the first of several messages that follow each other and are stored all or none: how many
	// they are.
	group int
}

// committer stores messages of one stream by group commit: while one batch is being stored, what arrives
// forms the next one. There is no timer, so a lone message waits for nothing, and under load one fsync pays
// for hundreds of messages.
type committer struct {
	nc      *connection
	stream  string
	stuck   func() // is told that the store gives no answers
	batches bool   // the stream takes atomic batches; otherwise a batch is published message by message, pipelined

	mu     sync.Mutex // guards what follows
	queue  []pending
	bytes  int
	closed bool

	wake    chan struct{}
	stopped chan struct{}

	acks    *nats.Subscription
	replies string // prefix of this committer's reply subjects
	arrived chan ack
	silent  int    // exchanges in a row that ran out of time
	round   uint64 // number of the current exchange, so that a late answer to an earlier one is dropped
}

// ack is the store's answer to message i of an exchange.
type ack struct {
	round uint64
	i     int
	r     Receipt
	err   error
}

func newCommitter(nc *connection, stream string, stuck func(), batches bool) (*committer, error) {
	c := &committer{
		nc: nc, stream: stream, stuck: stuck, batches: batches,
		wake: make(chan struct{}, 1), stopped: make(chan struct{}),
		replies: nats.NewInbox() + ".",
		arrived: make(chan ack, maxGroup),
	}
	sub, err := nc.Subscribe(c.replies+"*.*", c.onAck)
	if err != nil {
		return nil, fmt.Errorf("subscribing to acknowledgements of %s: %w", stream, err)
	}
	// The flush makes the interest known before the first publish: an answer without a listener is lost.
	if err := nc.Flush(); err != nil {
		return nil, fmt.Errorf("subscribing to acknowledgements of %s: %w", stream, err)
	}
	c.acks = sub
	go c.run()
	return c, nil
}

// publish stores msg and returns once the store acknowledged it, or ctx ended.
func (c *committer) publish(ctx context.Context, msg *nats.Msg) (Receipt, error) {
	type result struct {
		r   Receipt
		err error
	}
	ch := make(chan result, 1)
	c.enqueue(msg, func(r Receipt, err error) { ch <- result{r, err} })
	select {
	case res := <-ch:
		return res.r, res.err
	case <-ctx.Done():
		return Receipt{}, fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
	}
}

// enqueue hands msg over; done is called exactly once, from another goroutine or from this one, and must not
// block.
func (c *committer) enqueue(msg *nats.Msg, done func(Receipt, error)) {
	if err := c.append(len(msg.Data), pending{msg: msg, done: done}); err != nil {
		done(Receipt{}, err)
	}
}

// append puts messages of so many bytes at the end of the queue.
func (c *committer) append(bytes int, p ...pending) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return fmt.Errorf("%w: shutting down", ErrUnavailable)
	case len(c.queue) >= maxWaiting || c.bytes+bytes > maxWaitingBytes:
		return ErrBusy
	}
	c.queue = append(c.queue, p...)
	c.bytes += bytes
	select {
	case c.wake <- struct{}{}:
	default:
	}
	return nil
}

// close stores what waits and returns when nothing does.
func (c *committer) close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
	<-c.stopped
	c.acks.Unsubscribe()
}

func (c *committer) run() {
	defer close(c.stopped)
	for {
		batch, group, closed := c.take()
		switch {
		case len(batch) > 0:
			c.commit(batch, group)
		case closed:
			return
		default:
			<-c.wake
		}
	}
}

// take removes the next batch from the queue: as much as fits, up to a message whose claim is already in it. A group
// is a batch of its own: what others sent must not make the store refuse it.
func (c *committer) take() (batch []pending, group, closed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	most := maxBatch
	if len(c.queue) > 0 && c.queue[0].group > 0 {
		group, most = true, c.queue[0].group
	}
	claims := make(map[string]struct{}, min(len(c.queue), most))
	bytes := 0
	n := 0
	for ; n < len(c.queue) && n < most; n++ {
		msg := c.queue[n].msg
		if n > 0 && !group && (c.queue[n].group > 0 || bytes+len(msg.Data) > maxBatchBytes) {
			break
		}
		if c := claim(msg); c != "" {
			if _, twice := claims[c]; twice && !group {
				break
			}
			claims[c] = struct{}{}
		}
		bytes += len(msg.Data)
	}
	batch = c.queue[:n:n]
	c.queue = c.queue[n:]
	c.bytes -= bytes
	return batch, group, c.closed
}

// commit stores a batch and tells everyone in it. A batch that the store refuses (one duplicate is enough) is
// resolved message by message, so that each gets its own answer; a group only where that breaks no promise.
func (c *committer) commit(batch []pending, group bool) {
	defer clear(batch) // the queue's array outlives the batch; its messages must not
	if len(batch) > 1 && (c.batches || group) {
		refusal := c.commitAtomic(batch)
		if refusal == nil {
			return
		}
		if group && !mayComeSingly(refusal) {
			for _, p := range batch {
				p.done(Receipt{}, refusal)
			}
			return
		}
	}
	c.commitEach(batch)
}

// commitAtomic publishes the batch as one atomic batch and tells everyone. An error means that nobody was told: the
// store refused it and nothing of it is stored.
func (c *committer) commitAtomic(batch []pending) (refusal error) {
	id := nuid.Next()
	last := len(batch) - 1
	for i, p := range batch {
		p.msg.Header[headerBatchID] = []string{id}
		p.msg.Header[headerBatchSeq] = []string{strconv.Itoa(i + 1)}
	}
	batch[last].msg.Header[headerBatchCommit] = []string{"1"}
	defer func() {
		for _, p := range batch {
			p.msg.Reply = ""
			delete(p.msg.Header, headerBatchID)
			delete(p.msg.Header, headerBatchSeq)
			delete(p.msg.Header, headerBatchCommit)
		}
	}()
	// Only the commit asks for an answer: a fault in an earlier message makes the commit fail too.
	var unsent error
	var a ack
	c.exchange(1, func(reply func(int) string) []error {
		batch[last].msg.Reply = reply(0)
		for _, p := range batch {
			if err := c.nc.PublishMsg(p.msg); err != nil {
				unsent = classify(err) // the store drops what came before it
				return []error{err}
			}
		}
		return nil
	}, func(_ int, answer ack) { a = answer })
	switch {
	case unsent != nil:
		return unsent
	case refused(a.err):
		return a.err
	case a.err != nil:
		for _, p := range batch {
			p.done(Receipt{}, a.err)
		}
		return nil
	}
	first := a.r.Seq - uint64(last)
	for i, p := range batch {
		p.done(Receipt{Stream: a.r.Stream, Seq: first + uint64(i)}, nil)
	}
	return nil
}

// commitEach publishes each message on its own, all at once, and tells each its own answer when it comes.
func (c *committer) commitEach(batch []pending) {
	c.exchange(len(batch), func(reply func(int) string) []error {
		errs := make([]error, len(batch))
		for i, p := range batch {
			p.msg.Reply = reply(i)
			errs[i] = c.nc.PublishMsg(p.msg)
		}
		return errs
	}, func(i int, a ack) { batch[i].done(a.r, a.err) })
}

// exchange runs send and tells the answer to each of n messages, once. A message that send could not send, as its
// errors tell, gets that as its answer; one that does not come is ErrUnavailable.
func (c *committer) exchange(n int, send func(reply func(int) string) []error, tell func(int, ack)) {
	c.round++
	round := strconv.FormatUint(c.round, 10)
	told := make([]bool, n)
	left := n
	answer := func(i int, a ack) {
		if !told[i] {
			told[i] = true
			left--
			tell(i, a)
		}
	}
	abandon := func(err error) {
		for i := range told {
			answer(i, ack{err: err})
		}
	}
	down := c.nc.down()
	for i, err := range send(func(i int) string { return c.replies + round + "." + strconv.Itoa(i) }) {
		if err != nil {
			answer(i, ack{err: classify(err)})
		}
	}
	timeout := time.NewTimer(commitTimeout)
	defer timeout.Stop()
	for left > 0 {
		select {
		case a := <-c.arrived:
			if a.round == c.round && a.i >= 0 && a.i < n {
				answer(a.i, a)
			}
		case <-down:
			abandon(fmt.Errorf("%w: connection lost", ErrUnavailable))
			return
		case <-timeout.C:
			if c.silent++; c.silent > 1 { // once may be a slow disk
				c.stuck()
			}
			abandon(fmt.Errorf("%w: no answer from %s within %s", ErrUnavailable, c.stream, commitTimeout))
			return
		}
	}
	c.silent = 0
}

// refused reports whether the store answered, and answered no: then nothing of the batch is stored.
func refused(err error) bool {
	_, ok := errors.AsType[*refusedError](err)
	return ok
}

// refusedError is an answer of the store, as opposed to no answer.
type refusedError struct {
	error
	code int // JetStream's
}

func (e *refusedError) Unwrap() error { return e.error }

// onAck decodes one answer of the store.
func (c *committer) onAck(m *nats.Msg) {
	a, ok := c.parseReply(m.Subject)
	if !ok {
		return
	}
	if m.Header.Get("Status") == "503" {
		a.err = fmt.Errorf("%w: no stream takes this subject", ErrUnavailable)
	} else {
		a.r, a.err = parseAck(m.Data)
	}
	select {
	case c.arrived <- a:
	case <-c.stopped:
	}
}

func (c *committer) parseReply(subject string) (ack, bool) {
	round, i, ok := strings.Cut(strings.TrimPrefix(subject, c.replies), ".")
	if !ok {
		return ack{}, false
	}
	r, err1 := strconv.ParseUint(round, 10, 64)
	n, err2 := strconv.Atoi(i)
	return ack{round: r, i: n}, err1 == nil && err2 == nil
}

// parseAck reads the store's answer. Unless it is a refusal, it is read field by field: there is one for every
// event, and decoding it whole would cost more than all else that is done for an event here.
func parseAck(data []byte) (Receipt, error) {
	if !gjson.ValidBytes(data) {
		return Receipt{}, fmt.Errorf("%w: its answer is no JSON", ErrUnavailable)
	}
	if fault := gjson.GetBytes(data, "error"); fault.Exists() {
		var r refusal
		if err := json.Unmarshal([]byte(fault.Raw), &r); err != nil {
			return Receipt{}, fmt.Errorf("%w: reading its refusal: %w", ErrUnavailable, err)
		}
		return Receipt{}, &refusedError{r.err(), r.ErrCode}
	}
	return Receipt{
		Stream:    gjson.GetBytes(data, "stream").Str,
		Seq:       gjson.GetBytes(data, "seq").Uint(),
		Duplicate: gjson.GetBytes(data, "duplicate").Bool(),
	}, nil
}
