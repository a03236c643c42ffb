package publish

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Consumer gives out the messages of a consumer on the bus. It does what the fetches of nats.go do, except for one thing:
// nats.go takes a message that has no body and a header Status for an answer of the server, and ends the request. Whoever
// may publish an event could so keep all others from being delivered. To a Consumer an answer is what was sent to the
// inbox of its request; a message has its own subject.
type Consumer struct {
	jetstream.Consumer
	conn *nats.Conn
}

// nextPrefix begins the subject of a request for messages: https://docs.nats.io/reference/reference-protocols/nats_api_reference
const nextPrefix = "$JS.API.CONSUMER.MSG.NEXT."

// pullRequest is one for messages.
type pullRequest struct {
	Batch    int           `json:"batch"`
	MaxBytes int           `json:"max_bytes,omitempty"`
	Expires  time.Duration `json:"expires,omitempty"`
	NoWait   bool          `json:"no_wait,omitempty"`
}

// pullGrace is how much earlier than its caller's time the server ends a request, so that nothing is on its way then.
const pullGrace = time.Second

// Take asks for up to n messages, and for so many bytes at most unless maxBytes is zero. It gives them as they come, until
// there are as many or ctx ends, which must have a deadline.
func (c *Consumer) Take(ctx context.Context, n, maxBytes int) (*Batch, error) {
	deadline, ok := ctx.Deadline()
	left := time.Until(deadline)
	if !ok || left <= 0 {
		return nil, context.DeadlineExceeded
	}
	return c.pull(ctx, &pullRequest{Batch: n, MaxBytes: maxBytes, Expires: left - min(left/10, pullGrace)}, left)
}

// TakeStored asks for up to n messages, and gives those that are there. It ends when the server is silent for a second.
func (c *Consumer) TakeStored(ctx context.Context, n int) (*Batch, error) {
	return c.pull(ctx, &pullRequest{Batch: n, NoWait: true}, time.Second)
}

// Batch is what a request for messages brings.
type Batch struct {
	messages chan jetstream.Msg
	err      error
	mu       sync.Mutex // guards err
}

// Messages are the messages. The channel is closed when no more come.
func (b *Batch) Messages() <-chan jetstream.Msg { return b.messages }

// Error says why no more come, if that is not as it should be.
func (b *Batch) Error() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

func (c *Consumer) pull(ctx context.Context, r *pullRequest, silence time.Duration) (*Batch, error) {
	request, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	came := make(chan *nats.Msg, 2*r.Batch)
	sub, err := c.conn.ChanSubscribe(c.conn.NewInbox(), came)
	if err != nil {
		return nil, err
	}
	info := c.CachedInfo()
	if err := c.conn.PublishRequest(nextPrefix+info.Stream+"."+info.Name, sub.Subject, request); err != nil {
		_ = sub.Unsubscribe()
		return nil, err
	}
	b := &Batch{messages: make(chan jetstream.Msg, r.Batch)}
	go func() {
		defer close(b.messages)
		defer sub.Unsubscribe() //nolint:errcheck // without a connection there is none
		err := c.gather(ctx, b, r, came, sub.Subject, silence)
		b.mu.Lock()
		defer b.mu.Unlock()
		b.err = err
	}()
	return b, nil
}

// gather hands over what comes until the request is fulfilled or ends.
func (c *Consumer) gather(ctx context.Context, b *Batch, r *pullRequest, came <-chan *nats.Msg, inbox string, silence time.Duration) error {
	idle := time.NewTimer(silence)
	defer idle.Stop()
	bytes := 0
	for n := 0; n < r.Batch && (r.MaxBytes == 0 || bytes < r.MaxBytes); {
		select {
		case m := <-came:
			idle.Reset(silence)
			if m.Subject == inbox {
				if ended, err := endOfPull(m); ended {
					return err
				}
				continue
			}
			b.messages <- &pulled{m, c.conn}
			n++
			bytes += m.Size()
		case <-idle.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// endOfPull reads an answer of the server to a request for messages: whether it ends the request, and whether that is
// out of the order.
func endOfPull(m *nats.Msg) (ended bool, err error) {
	description := m.Header.Get("Description")
	said := func(text string) bool { return strings.Contains(strings.ToLower(description), text) }
	switch status := m.Header.Get("Status"); {
	case status == "100":
		return false, nil
	case status == "404", status == "408", status == "409" && (said("exceeded maxbytes") || said("batch completed")):
		return true, nil
	case status == "409" && said("consumer deleted"):
		return true, jetstream.ErrConsumerDeleted
	case status == "503":
		return true, nats.ErrNoResponders
	default:
		return true, fmt.Errorf("%w: %s %s", errPull, status, description)
	}
}

// errPull means that the server ended a request for messages.
var errPull = errors.New("the server gives no messages")

// pulled is a message that was asked for. It is told to the server at once what becomes of it, and never twice: that is
// its holder's business.
type pulled struct {
	msg  *nats.Msg
	conn *nats.Conn
}

// Metadata implements [jetstream.Msg].
func (p *pulled) Metadata() (*jetstream.MsgMetadata, error) {
	m, err := p.msg.Metadata()
	if err != nil {
		return nil, err
	}
	return &jetstream.MsgMetadata{
		Sequence:     jetstream.SequencePair{Consumer: m.Sequence.Consumer, Stream: m.Sequence.Stream},
		NumDelivered: m.NumDelivered, NumPending: m.NumPending, Timestamp: m.Timestamp,
		Stream: m.Stream, Consumer: m.Consumer, Domain: m.Domain,
	}, nil
}

// Data implements [jetstream.Msg].
func (p *pulled) Data() []byte { return p.msg.Data }

// Headers implements [jetstream.Msg].
func (p *pulled) Headers() nats.Header { return p.msg.Header }

// Subject implements [jetstream.Msg].
func (p *pulled) Subject() string { return p.msg.Subject }

// Reply implements [jetstream.Msg].
func (p *pulled) Reply() string { return p.msg.Reply }

func (p *pulled) tell(what string) error { return p.conn.Publish(p.msg.Reply, []byte(what)) }

// Ack implements [jetstream.Msg].
func (p *pulled) Ack() error { return p.tell("+ACK") }

// Nak implements [jetstream.Msg].
func (p *pulled) Nak() error { return p.tell("-NAK") }

// NakWithDelay implements [jetstream.Msg].
func (p *pulled) NakWithDelay(delay time.Duration) error {
	return p.tell(fmt.Sprintf(`-NAK {"delay": %d}`, delay.Nanoseconds()))
}

// InProgress implements [jetstream.Msg].
func (p *pulled) InProgress() error { return p.tell("+WPI") }

// Term implements [jetstream.Msg].
func (p *pulled) Term() error { return p.tell("+TERM") }

// TermWithReason implements [jetstream.Msg].
func (p *pulled) TermWithReason(reason string) error { return p.tell("+TERM " + reason) }

// DoubleAck implements [jetstream.Msg].
func (p *pulled) DoubleAck(ctx context.Context) error {
	_, err := p.conn.RequestWithContext(ctx, p.msg.Reply, []byte("+ACK"))
	return err
}
