package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/nats-io/nats-server/v2/server/archive"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"jethook/publish/stores"
)

// ErrOldServer means that the server takes snapshots of an older kind, which need not agree with what its consumers have.
var ErrOldServer = errors.New("nats-server 2.15 or newer is required for backups")

// chunkTime bounds the wait for the next piece of a snapshot, and for its acknowledgement.
const chunkTime = 30 * time.Second

// ask makes one request of the JetStream API.
func ask(ctx context.Context, nc *nats.Conn, subject string, request, answer any) error {
	data, err := json.Marshal(request)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, chunkTime)
	defer cancel()
	m, err := nc.RequestWithContext(ctx, subject, data)
	if err != nil {
		return err
	}
	var failed struct{ Error *jetstream.APIError }
	if err := json.Unmarshal(m.Data, &failed); err != nil {
		return err
	}
	if failed.Error != nil {
		return failed.Error
	}
	return json.Unmarshal(m.Data, answer)
}

// snapshot is a stream as the server sends it. Read returns its bytes.
type snapshot struct {
	Stream

	ctx  context.Context
	sub  *nats.Subscription
	rest []byte
	done bool
}

// openSnapshot has the server begin to send a stream. What the server holds back for a reader is bounded: one that stops
// for 5 s is cut off.
func openSnapshot(ctx context.Context, nc *nats.Conn, api func(string) string, stream string) (*snapshot, error) {
	sub, err := nc.SubscribeSync(nc.NewInbox())
	if err != nil {
		return nil, err
	}
	s := &snapshot{ctx: ctx, sub: sub}
	err = ask(ctx, nc, api("STREAM.SNAPSHOT."+stream), map[string]any{"deliver_subject": sub.Subject}, &s.Stream)
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("reading stream %s: %w", stream, err)
	}
	s.Name = stream
	return s, nil
}

func (s *snapshot) Read(p []byte) (int, error) {
	for len(s.rest) == 0 {
		if s.done {
			return 0, io.EOF
		}
		if err := s.receive(); err != nil {
			return 0, fmt.Errorf("reading stream %s: %w", s.Name, err)
		}
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

func (s *snapshot) receive() error {
	ctx, cancel := context.WithTimeout(s.ctx, chunkTime)
	defer cancel()
	m, err := s.sub.NextMsgWithContext(ctx)
	if err != nil {
		return err
	}
	if status := m.Header.Get("Status"); status != "" && status != "204" {
		return &stores.Interruption{Err: fmt.Errorf("the server ended it: %s %s", status, m.Header.Get("Description"))}
	}
	s.rest, s.done = m.Data, len(m.Data) == 0
	if m.Reply == "" {
		return nil
	}
	return m.Respond(nil)
}

// Close ends the snapshot, whole or not.
func (s *snapshot) Close() {
	s.sub.Unsubscribe() //nolint:errcheck // the connection is gone then, and with it the subscription
}

// consumer is a consumer in a snapshot.
type consumer struct {
	Name  string                     `json:"name"`
	State json.RawMessage            `json:"state"`
	Cfg   map[string]json.RawMessage `json:"config"`
}

// isDurable reports whether the consumer is one that outlives its clients.
func (c *consumer) isDurable() bool {
	var name string
	return json.Unmarshal(c.Cfg["durable_name"], &name) == nil && name != ""
}

const (
	stateEntry     = "state.json"
	consumerPrefix = "consumers/"
)

// contents reads what a snapshot holds.
type contents struct {
	*archive.Reader
	state     map[string]json.RawMessage
	consumers []consumer
	first     *archive.Header // of the messages, or of the end
	stateTime int64
}

// openContents reads a snapshot up to its messages.
func openContents(r io.Reader) (*contents, error) {
	c := &contents{Reader: archive.NewReader(s2.NewReader(r))}
	head, err := c.Next()
	if errors.Is(err, archive.ErrInvalidArchive) {
		return nil, ErrOldServer
	}
	if err != nil {
		return nil, noEnd(err)
	}
	var count struct {
		Consumers int `json:"consumer_count"`
	}
	data, err := io.ReadAll(c)
	if head.Name != stateEntry || err != nil || json.Unmarshal(data, &c.state) != nil || json.Unmarshal(data, &count) != nil {
		return nil, errors.Join(fmt.Errorf("%w: a snapshot begins with %q", ErrDamaged, head.Name), err)
	}
	c.stateTime = head.Timestamp
	for range count.Consumers {
		if head, err = c.Next(); err != nil {
			return nil, noEnd(err)
		}
		one := consumer{Name: head.Name[min(len(consumerPrefix), len(head.Name)):]}
		if err := json.NewDecoder(c).Decode(&one); err != nil {
			return nil, fmt.Errorf("%w: consumer %s: %w", ErrDamaged, head.Name, err)
		}
		c.consumers = append(c.consumers, one)
	}
	if c.first, err = c.Next(); err != nil {
		return nil, noEnd(err)
	}
	return c, nil
}

func noEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: a snapshot ends early", ErrDamaged)
	}
	return err
}

// each calls do for each message until the mark of the end.
func (c *contents) each(do func(*archive.Header) error) (n uint64, err error) {
	for head := c.first; head.Sequence != 0; n++ {
		if err := do(head); err != nil {
			return n, err
		}
		if head, err = c.Next(); err != nil {
			return n, noEnd(err)
		}
	}
	return n, nil
}

// count reads a snapshot to its end and returns how many messages it holds.
func count(r io.Reader) (n uint64, err error) {
	c, err := openContents(r)
	if err == nil {
		n, err = c.each(func(*archive.Header) error { return nil })
	}
	for _, damage := range []error{s2.ErrCRC, s2.ErrCorrupt, archive.ErrInvalidArchive} {
		if errors.Is(err, damage) {
			err = fmt.Errorf("%w: %w", ErrDamaged, err)
		}
	}
	return n, err
}
