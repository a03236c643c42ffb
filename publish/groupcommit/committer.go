package groupcommit

import (
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"

	"jethook/publish/connection"
	"jethook/publish/failure"
)

const (
	// maxBatch and maxBatchBytes bound one commit. The server takes at most 1,000 messages in a batch; past a
	// few hundred the fsync is paid for and only latency grows.
	maxBatch      = 500
	maxBatchBytes = 4 << 20
	// MaxGroup is how many messages are stored all or none.
	MaxGroup = 1000
	// maxWaiting and maxWaitingBytes bound what waits in this process for its commit.
	maxWaiting      = 16384
	maxWaitingBytes = 128 << 20
)

// Timeout is how long [Committer.Publish] and [Committer.PublishGroup] take at most: then the store counts
// as unavailable. Most senders give up after 10 s; an answer before that tells them why.
const Timeout = 5 * time.Second

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
	since time.Time // when it was handed over
}

// Committer stores messages of one stream by group commit: while one batch is being stored, what arrives
// forms the next one. There is no timer, so a lone message waits for nothing, and under load one fsync pays
// for hundreds of messages.
type Committer struct {
	nc      *connection.Conn
	stream  string
	stuck   func(*connection.Conn) // is told that the store gives no answers
	batches bool                   // the stream takes atomic batches; otherwise a batch is published message by message, pipelined
	meter   meter

	mu     sync.Mutex // guards what follows
	queue  []pending
	bytes  int
	closed bool

	wake    chan struct{}
	stopped chan struct{}

	acks    *nats.Subscription
	replies string                   // prefix of this committer's reply subjects
	current atomic.Pointer[inFlight] // what the store's answers belong to
	round   uint64                   // what the current one is known by
	silent  int                      // of these in a row, how many ran out of time
}

// New returns what stores messages in a stream through a connection. stuck is called when the store has given no answers
// twice in a row. Where batches is set, messages that wait together are stored by one atomic batch. Close must be called.
func New(nc *connection.Conn, stream string, stuck func(*connection.Conn), batches bool, m meter) (*Committer, error) {
	c := &Committer{
		nc: nc, stream: stream, stuck: stuck, batches: batches, meter: m,
		wake: make(chan struct{}, 1), stopped: make(chan struct{}),
		replies: nc.NewInbox() + ".",
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

// Enqueue hands msg over; done is called exactly once, from another goroutine or from this one, and must not
// block.
func (c *Committer) Enqueue(msg *nats.Msg, done func(Receipt, error)) {
	if err := c.append(len(msg.Data), pending{msg: msg, done: done}); err != nil {
		done(Receipt{}, err)
	}
}

// append puts messages of so many bytes at the end of the queue.
func (c *Committer) append(bytes int, p ...pending) error {
	now := time.Now()
	for i := range p {
		p[i].since = now
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		c.meter.failed.Add(float64(len(p)))
		return fmt.Errorf("%w: shutting down", failure.ErrUnavailable)
	case len(c.queue) >= maxWaiting || c.bytes+bytes > maxWaitingBytes:
		c.meter.failed.Add(float64(len(p)))
		return failure.ErrBusy
	}
	c.queue = append(c.queue, p...)
	c.bytes += bytes
	select {
	case c.wake <- struct{}{}:
	default:
	}
	return nil
}

// Close stores what waits and returns when nothing does.
func (c *Committer) Close() {
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

func (c *Committer) run() {
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

// take removes the next batch from the queue: as much as fits, up to a message whose conflict key is already in it. A group
// is a batch of its own: what others sent must not make the store refuse it.
func (c *Committer) take() (batch []pending, group, closed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	most := maxBatch
	if len(c.queue) > 0 && c.queue[0].group > 0 {
		group, most = true, c.queue[0].group
	}
	taken := make(map[string]struct{}, min(len(c.queue), most))
	bytes := 0
	n := 0
	for ; n < len(c.queue) && n < most; n++ {
		msg := c.queue[n].msg
		if n > 0 && !group && (c.queue[n].group > 0 || bytes+len(msg.Data) > maxBatchBytes) {
			break
		}
		if c := conflictKey(msg); c != "" {
			if _, twice := taken[c]; twice && !group {
				break
			}
			taken[c] = struct{}{}
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
func (c *Committer) commit(batch []pending, group bool) {
	defer clear(batch) // the queue's array outlives the batch; its messages must not
	c.meter.batch.Observe(float64(len(batch)))
	if len(batch) > 1 && (c.batches || group) {
		refusal := c.commitAtomic(batch)
		if refusal == nil {
			return
		}
		if group && !mayComeSingly(refusal) {
			c.tellAll(batch, refusal)
			return
		}
	}
	c.commitEach(batch)
}

// commitAtomic publishes the batch as one atomic batch and tells everyone. An error means that nobody was told: the
// store refused it and nothing of it is stored.
func (c *Committer) commitAtomic(batch []pending) (refusal error) {
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
	var (
		receipt Receipt
		fault   error
	)
	x := c.newInFlight(1, func(_ int, r Receipt, err error) { receipt, fault = r, err })
	batch[last].msg.Reply = x.replyTo(0)
	for _, p := range batch {
		if err := c.nc.PublishMsg(p.msg); err != nil {
			x.abandon(err)
			return failure.Classify(err) // the store drops what came before it
		}
	}
	c.await(x)
	switch {
	case refused(fault):
		return fault
	case fault != nil:
		c.tellAll(batch, fault)
		return nil
	}
	first, now := receipt.Seq-uint64(last), time.Now()
	for i := range batch {
		c.tell(&batch[i], Receipt{Stream: receipt.Stream, Seq: first + uint64(i)}, nil, now)
	}
	return nil
}

// tell says what became of a message, and counts it.
func (c *Committer) tell(p *pending, r Receipt, err error, now time.Time) {
	c.meter.note(p, r, err, now)
	p.done(r, err)
}

// tellAll says of each message that it could not be stored.
func (c *Committer) tellAll(batch []pending, err error) {
	now := time.Now()
	for i := range batch {
		c.tell(&batch[i], Receipt{}, err, now)
	}
}

// commitEach publishes each message on its own, all at once, and tells each its own answer when it comes.
func (c *Committer) commitEach(batch []pending) {
	x := c.newInFlight(len(batch), func(i int, r Receipt, err error) { c.tell(&batch[i], r, err, time.Now()) })
	for i, p := range batch {
		p.msg.Reply = x.replyTo(i)
		if err := c.nc.PublishMsg(p.msg); err != nil {
			x.answer(i, Receipt{}, failure.Classify(err))
		}
	}
	c.await(x)
}
