package groupcommit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/tidwall/gjson"

	"jethook/publish/failure"
	"jethook/publish/jsontext"
)

// inFlight is a number of messages that were sent to the store, and its answers to them.
type inFlight struct {
	round string // its number, so that a late answer to an earlier one is dropped
	reply string // what the reply subjects of its messages begin with
	down  <-chan struct{}

	tell  func(i int, r Receipt, err error) // called once for each message, by whoever has its answer
	told  []atomic.Bool
	left  atomic.Int64
	ended chan struct{} // closed when everyone is told
}

// newInFlight begins one of n messages. The connection may break as soon as the first is sent, so it is made before.
func (c *Committer) newInFlight(n int, tell func(int, Receipt, error)) *inFlight {
	c.round++
	round := strconv.FormatUint(c.round, 10)
	x := &inFlight{
		round: round, reply: c.replies + round + ".", down: c.nc.Lost(),
		tell: tell, told: make([]atomic.Bool, n), ended: make(chan struct{}),
	}
	x.left.Store(int64(n))
	c.current.Store(x)
	return x
}

// replyTo is where the answer to message i goes.
func (x *inFlight) replyTo(i int) string { return x.reply + strconv.Itoa(i) }

// answer tells message i what became of it, unless it knows.
func (x *inFlight) answer(i int, r Receipt, err error) {
	if x.told[i].Swap(true) {
		return
	}
	x.tell(i, r, err)
	if x.left.Add(-1) == 0 {
		close(x.ended)
	}
}

// abandon answers what has no answer.
func (x *inFlight) abandon(err error) {
	for i := range x.told {
		x.answer(i, Receipt{}, err)
	}
}

// await returns when everyone in x is told. What gets no answer is ErrUnavailable.
func (c *Committer) await(x *inFlight) {
	timeout := time.NewTimer(Timeout)
	defer timeout.Stop()
	select {
	case <-x.ended:
		c.silent = 0
		return
	case <-x.down:
		x.abandon(fmt.Errorf("%w: connection lost", failure.ErrUnavailable))
	case <-timeout.C:
		if c.silent++; c.silent > 1 { // once may be a slow disk
			c.stuck(c.nc)
		}
		x.abandon(c.noAnswer())
	}
	<-x.ended // an answer that came at the same time is being told
}

func (c *Committer) noAnswer() error {
	return fmt.Errorf("%w: no answer from %s within %s", failure.ErrUnavailable, c.stream, Timeout)
}

// onAck takes one answer of the store.
func (c *Committer) onAck(m *nats.Msg) {
	round, number, _ := strings.Cut(strings.TrimPrefix(m.Subject, c.replies), ".")
	x := c.current.Load()
	i, err := strconv.Atoi(number)
	if x == nil || round != x.round || err != nil || i < 0 || i >= len(x.told) {
		return
	}
	if m.Header.Get("Status") == "503" {
		x.answer(i, Receipt{}, fmt.Errorf("%w: no stream takes this subject", failure.ErrUnavailable))
		return
	}
	r, err := parseAck(m.Data)
	x.answer(i, r, err)
}

// parseAck reads the store's answer. Unless it is a refusal, it is read field by field: there is one for every
// event, and decoding it whole would cost more than all else that is done for an event here.
func parseAck(data []byte) (r Receipt, err error) {
	if !jsontext.Valid(data) {
		return Receipt{}, fmt.Errorf("%w: its answer is no JSON", failure.ErrUnavailable)
	}
	gjson.ParseBytes(data).ForEach(func(key, value gjson.Result) bool {
		switch key.Str {
		case "error":
			err = parseRefusal(value.Raw)
		case "stream":
			r.Stream = value.Str
		case "seq":
			r.Seq = value.Uint()
		case "duplicate":
			r.Duplicate = value.Bool()
		}
		return err == nil
	})
	if err != nil {
		return Receipt{}, err
	}
	return r, nil
}

func parseRefusal(fault string) error {
	var r failure.Refusal
	if err := json.Unmarshal([]byte(fault), &r); err != nil {
		return fmt.Errorf("%w: reading its refusal: %w", failure.ErrUnavailable, err)
	}
	return &refusedError{r.Err(), r.ErrCode}
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

// waiter waits for what became of one message. Waiters are used again: there is one for every event.
type waiter struct {
	timer  *time.Timer
	result chan result
	tell   func(Receipt, error)
}

type result struct {
	r   Receipt
	err error
}

var waiters = sync.Pool{New: func() any {
	w := &waiter{timer: time.NewTimer(Timeout), result: make(chan result, 1)}
	w.tell = func(r Receipt, err error) { w.result <- result{r, err} }
	return w
}}

// Publish stores msg and returns once the store acknowledged it, ctx ended, or Timeout is over: while the store
// is slow, what waits for its turn must not wait for everyone's before it.
func (c *Committer) Publish(ctx context.Context, msg *nats.Msg) (Receipt, error) {
	w := waiters.Get().(*waiter)
	w.timer.Reset(Timeout)
	c.Enqueue(msg, w.tell)
	select {
	case got := <-w.result:
		w.timer.Stop()
		waiters.Put(w) // only now: nothing else will be told to it
		return got.r, got.err
	case <-w.timer.C:
		return Receipt{}, c.noAnswer()
	case <-ctx.Done():
		return Receipt{}, fmt.Errorf("%w: %w", failure.ErrUnavailable, ctx.Err())
	}
}

// NeverStored reports whether a message that could not be published is certainly not stored, and never will be.
func NeverStored(err error) bool { return refused(err) || errors.Is(err, failure.ErrBusy) }
