// Package intake takes messages off streams and hands them on, in the order of the stream.
//
// It takes no more than there is room for, and what it has taken is held (see package held) until it has ended. An [Intake] does
// so for all endpoints that keep up; what consumers of endpoints' own bring is asked for by packages order and follow, and is
// held by an [Ordered] or a [Cursor]. The package does not know what a message means; whom it hands it to does.
package intake

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"jethook/consume/held"
	"jethook/publish"
	"jethook/publish/outage"
	"jethook/publish/pull"
	"jethook/publish/topology"
)

const (
	// fetchMessages and fetchBytes bound one request for messages, of which two may lie ready.
	fetchMessages = 256
	fetchBytes    = 4 << 20
	// fetchRetries bounds a request for retries instead: hundreds that come at once take a processor for
	// milliseconds, and these have waited for minutes.
	fetchRetries = 32
	// fetchWait is how long an idle request for messages stays open.
	fetchWait = 10 * time.Second
	// openWait is how long one waits for an answer when a consumer is opened.
	openWait = 2500 * time.Millisecond
	// retryFetch is the pause after a failed request for messages.
	retryFetch = 250 * time.Millisecond
)

// Bytes is how many bytes one request for messages may bring: less than the largest message would never bring that one.
func Bytes(bus *publish.Bus) int { return max(fetchBytes, bus.Limits().Message) }

// Settings are what an Intake needs.
type Settings struct {
	Bus     *publish.Bus
	Queue   topology.Queue
	Records *Records                             // by which a message is decided about; nil: there are none
	Submit  func(context.Context, *held.Message) // is called for one message after the other
}

// Intake takes messages off one stream for all endpoints that keep up.
type Intake struct {
	Settings
	set     *held.Set
	records *currency
	most    int64 // messages that one request may bring

	stalled atomic.Int64 // since when requests for messages bring nothing and should, in nanoseconds of the epoch; 0: they do not

	ready  chan *held.Message
	credit *semaphore.Weighted // of places in ready
}

// New returns an intake that holds what it takes in a set, within [Bytes] a request.
func New(set *held.Set, s Settings) *Intake {
	in := &Intake{Settings: s, set: set, records: s.Records.forOne(set), most: fetchMessages}
	if s.Queue.Stream == topology.StreamDeliveries {
		in.most = fetchRetries
	}
	in.ready, in.credit = make(chan *held.Message, 2*in.most), semaphore.NewWeighted(2*in.most)
	return in
}

// Stream is the one that the messages are taken off.
func (in *Intake) Stream() string { return in.Queue.Stream }

// Run takes messages and hands them on until ctx ends. It returns an error if trying again would not mend it.
func (in *Intake) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return in.fetch(ctx) })
	g.Go(func() error { in.dispatch(ctx); return nil })
	return g.Wait()
}

// Keep tells the bus regularly that what is held is being worked on, until ctx ends.
func (in *Intake) Keep(ctx context.Context) error { return held.Keep(ctx, in.set.AppendTo) }

// fetch takes messages as long as there is room for them, until ctx ends. Then it gives back what nobody
// works on, so that another process has it at once.
func (in *Intake) fetch(ctx context.Context) error {
	defer close(in.ready)
	var consumer *pull.Consumer
	defer func() {
		if consumer != nil {
			consumer.Close()
		}
	}()
	taking := outage.Outage{Fails: "cannot read events; retrying", Works: "reading events again"}
	for ctx.Err() == nil {
		var err error
		if consumer == nil {
			consumer, err = in.open(ctx)
			in.set.Opened()
			if errors.Is(err, topology.ErrStreamMismatch) { // trying again would not mend it
				return err
			}
		}
		if err == nil {
			err = in.fetchOnce(ctx, consumer)
		}
		if ctx.Err() == nil {
			taking.Tell(in.set.Log, err)
			in.note(err)
		}
		if errors.Is(err, pull.ErrSilent) { // whoever leads the consumer now is asked
			continue
		}
		if err != nil {
			if consumer != nil { // it may be gone, and is then made anew
				consumer.Close()
			}
			consumer = nil
			select {
			case <-time.After(retryFetch):
			case <-ctx.Done():
			}
		}
	}
	return nil
}

// open opens the queue's consumer. While a cluster elects who leads it, it may get no answer, and the next question one at
// once.
func (in *Intake) open(ctx context.Context) (*pull.Consumer, error) {
	ctx, cancel := context.WithTimeout(ctx, openWait)
	defer cancel()
	return in.Bus.Queues().Open(ctx, in.Queue)
}

// fetchOnce makes one request for messages, for which there is room beforehand.
func (in *Intake) fetchOnce(ctx context.Context, consumer *pull.Consumer) error {
	if in.credit.Acquire(ctx, in.most) != nil || in.set.Bytes.Acquire(ctx, int64(in.set.Most)) != nil {
		return nil
	}
	n, size := int64(0), int64(0)
	defer func() {
		in.credit.Release(in.most - n)
		in.set.Bytes.Release(int64(in.set.Most) - size)
	}()
	wait, cancel := context.WithTimeout(ctx, fetchWait)
	defer cancel()
	began := time.Now()
	batch, err := consumer.Take(wait, int(in.most), in.set.Most)
	if err != nil {
		return err
	}
	for msg := range batch.Messages() {
		if m := in.set.Hold(msg); m != nil {
			n++
			size += m.Size()
			in.ready <- m
		}
	}
	switch {
	case wait.Err() != nil: // idle for the whole time
		return nil
	case batch.Error() == nil && n == 0 && time.Since(began) < retryFetch:
		return errNothing
	}
	return batch.Error()
}

// errNothing means that a request for messages ended early and brought none; asked again at once, it would so
// for ever.
var errNothing = errors.New("the bus gave no reason")

// dispatch hands the messages on, in the order of the stream. When ctx has ended it gives them back.
func (in *Intake) dispatch(ctx context.Context) {
	for m := range in.ready {
		if err := in.records.catchUp(ctx, m); err != nil {
			m.GiveBack()
		} else {
			in.Submit(ctx, m)
		}
		in.credit.Release(1)
	}
}

// note remembers since when the bus brings nothing.
func (in *Intake) note(err error) {
	if err == nil {
		in.stalled.Store(0)
	} else {
		in.stalled.CompareAndSwap(0, time.Now().UnixNano())
	}
}

// StalledFor is for how long the bus has brought nothing although it should; 0: it is well.
func (in *Intake) StalledFor() time.Duration {
	if since := in.stalled.Load(); since > 0 {
		return time.Since(time.Unix(0, since))
	}
	return 0
}
