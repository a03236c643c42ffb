package pull

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"jethook/publish/connection"
)

// Consumer gives out the messages of a consumer on the bus. It does what the fetches of nats.go do, except for two things.
//
// nats.go takes a message that has no body and a header Status for an answer of the server, and ends the request. Whoever
// may publish an event could so keep all others from being delivered. To a Consumer an answer is what was sent to the
// inbox of its request; a message has its own subject.
//
// And nats.go ends a request with the answer that says so. In a cluster the server's answer overtakes the messages, which
// wait for a majority to know that they are handed out: what comes after the end is lost until the ack wait, and is then
// handed out again, and lost again. A Consumer waits for as many messages as the answer says were handed out, and its inbox
// stays open from its first request to [Consumer.Close]: a message that comes later still goes to the next request.
type Consumer struct {
	jetstream.Consumer
	conn *connection.Conn

	mu    sync.Mutex // held by the request that runs; guards what follows
	sub   *nats.Subscription
	came  chan *nats.Msg
	inbox string
	asked uint64
	mute  int         // requests in a row that the server said nothing about
	left  []*nats.Msg // that came late, and go to the next request first
}

// nextPrefix begins the subject of a request for messages: https://docs.nats.io/reference/reference-protocols/nats_api_reference
const nextPrefix = "CONSUMER.MSG.NEXT."

// pullRequest is one for messages.
type pullRequest struct {
	Batch     int           `json:"batch"`
	MaxBytes  int           `json:"max_bytes,omitempty"`
	Expires   time.Duration `json:"expires,omitempty"`
	NoWait    bool          `json:"no_wait,omitempty"`
	Heartbeat time.Duration `json:"idle_heartbeat,omitempty"`
}

const (
	// pullGrace is how much earlier than its caller's time the server ends a request, so that nothing is on its way then.
	pullGrace = time.Second
	// pulse is how often the server says that it still has a request which it has nothing for, and pulseless after how
	// long without a word it is taken to have lost it: its leader is gone, and another one knows nothing of it.
	pulse     = 500 * time.Millisecond
	pulseless = 4 * pulse
	// mostMute is how many requests in a row may come to nothing before another server is asked: a cluster has elected
	// its leaders by then.
	mostMute = 6
	// straggle is how long the messages may lag behind the answer that ended their request.
	straggle = time.Second
	// inboxRoom is how many messages of abandoned requests an inbox holds, beside those of two requests.
	inboxRoom = 256
)

// ErrSilent means that the server says nothing about a request for messages any more. It is time for another one.
var ErrSilent = errors.New("the server does not answer a request for messages")

// Take asks for up to n messages, and for so many bytes at most unless maxBytes is zero. It gives them as they come, until
// there are as many or ctx ends, which must have a deadline.
func (c *Consumer) Take(ctx context.Context, n, maxBytes int) (*Batch, error) {
	deadline, ok := ctx.Deadline()
	left := time.Until(deadline)
	if !ok || left <= 0 {
		return nil, context.DeadlineExceeded
	}
	r := &pullRequest{Batch: n, MaxBytes: maxBytes, Expires: left - min(left/10, pullGrace)}
	if r.Expires > 2*pulseless {
		r.Heartbeat = pulse
	}
	return c.pull(ctx, r, left)
}

// TakeStored asks for up to n messages, and gives those that are there. It ends when the server is silent for a second.
func (c *Consumer) TakeStored(ctx context.Context, n int) (*Batch, error) {
	return c.pull(ctx, &pullRequest{Batch: n, NoWait: true}, time.Second)
}

// Close ends the consumer's requests, and gives back what came and was not taken.
func (c *Consumer) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sub == nil {
		return
	}
	_ = c.sub.Unsubscribe() // without a connection there is none
	c.late(math.MaxInt)
	for _, m := range c.left {
		_ = (&pulled{m, c.conn.Conn}).Nak() // else it comes again after the ack wait
	}
	c.sub, c.left = nil, nil
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

// pull makes a request, once the one before it has ended.
func (c *Consumer) pull(ctx context.Context, r *pullRequest, silence time.Duration) (*Batch, error) {
	c.mu.Lock()
	g, err := c.ask(r)
	if err != nil {
		c.mu.Unlock()
		return nil, err
	}
	b := &Batch{messages: make(chan jetstream.Msg, r.Batch)}
	go func() {
		defer close(b.messages)
		defer c.mu.Unlock()
		err := g.run(ctx, b.messages, silence)
		b.mu.Lock()
		defer b.mu.Unlock()
		b.err = err
	}()
	return b, nil
}

// ask sends a request, unless what came already fulfils it. The caller holds c.mu.
func (c *Consumer) ask(r *pullRequest) (*gathering, error) {
	if c.sub == nil {
		inbox := c.conn.NewInbox() + "."
		came := make(chan *nats.Msg, 2*r.Batch+inboxRoom)
		sub, err := c.conn.ChanSubscribe(inbox+"*", came)
		if err != nil {
			return nil, err
		}
		c.inbox, c.sub, c.came = inbox, sub, came
	}
	c.asked++
	g := &gathering{consumer: c, pullRequest: r, reply: c.inbox + strconv.FormatUint(c.asked, 10), lost: c.conn.Lost(), due: r.Batch}
	request := *r
	if request.Batch -= c.late(r.Batch); request.Batch == 0 {
		return g, nil
	}
	data, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	info := c.CachedInfo()
	return g, c.conn.PublishRequest(c.conn.API(nextPrefix+info.Stream+"."+info.Name), g.reply, data)
}

// late collects up to n messages that came to requests which had ended, and returns how many they are.
func (c *Consumer) late(n int) int {
	for len(c.left) < n {
		select {
		case m := <-c.came:
			if !strings.HasPrefix(m.Subject, c.inbox) { // an answer to such a request says nothing
				c.left = append(c.left, m)
			}
		default:
			return len(c.left)
		}
	}
	return n
}

// gathering is a request that runs.
type gathering struct {
	consumer *Consumer
	*pullRequest
	reply string          // where the server answers to this request
	lost  <-chan struct{} // closed when the connection breaks

	over  bool // the server has ended the request
	n     int  // messages that came
	bytes int
	due   int // how many come in all
}

// run hands over what comes until the request is fulfilled or has ended.
func (g *gathering) run(ctx context.Context, to chan<- jetstream.Msg, silence time.Duration) error {
	if g.Heartbeat > 0 {
		silence = pulseless
	}
	idle := time.NewTimer(silence)
	defer idle.Stop()
	take := func(m *nats.Msg) {
		to <- &pulled{m, g.consumer.conn.Conn}
		g.n++
		g.bytes += m.Size()
	}
	for len(g.consumer.left) > 0 && g.n < g.due {
		take(g.consumer.left[0])
		g.consumer.left = g.consumer.left[1:]
	}
	for g.n < g.due && (g.MaxBytes == 0 || g.bytes < g.MaxBytes) {
		select {
		case m := <-g.consumer.came:
			g.consumer.mute = 0
			if !strings.HasPrefix(m.Subject, g.consumer.inbox) {
				take(m)
			} else if err := g.answer(m); err != nil {
				return err
			}
			if g.over {
				silence = straggle
			}
			idle.Reset(silence)
		case <-idle.C:
			if g.over || g.Heartbeat == 0 {
				return nil
			}
			if g.consumer.mute++; g.consumer.mute >= mostMute {
				g.consumer.conn.ChangeServer()
			}
			return ErrSilent
		case <-g.lost:
			return nats.ErrDisconnected
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// answer takes an answer of the server into account, and returns an error if it ends the request out of the order.
func (g *gathering) answer(m *nats.Msg) error {
	if m.Subject != g.reply { // to a request that was given up
		return nil
	}
	ended, err := endOfPull(m)
	if !ended {
		return err
	}
	// What it has handed out is on its way. Where it does not say how much that is, no message is.
	g.over, g.due = true, g.n
	if left, err := strconv.Atoi(m.Header.Get("Nats-Pending-Messages")); err == nil {
		g.due = g.Batch - left
	}
	return err
}

// endOfPull reads an answer of the server to a request for messages: whether it ends the request, and whether that is
// out of the order.
func endOfPull(m *nats.Msg) (ended bool, err error) {
	description := m.Header.Get("Description")
	said := func(text string) bool { return strings.Contains(strings.ToLower(description), text) }
	switch status := m.Header.Get("Status"); {
	case status == "100":
		return false, nil
	case status == "404", status == "408", status == "409" && (said("exceeds maxbytes") || said("exceeded maxbytes") || said("batch completed")):
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
