package move

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"jethook/config"
	"jethook/publish/aside"
	"jethook/publish/backup"
	"jethook/publish/connection"
	"jethook/publish/embedded"
	"jethook/publish/event"
	"jethook/publish/outage"
	"jethook/publish/topology"
)

// consumerName is the consumer of what was stored after the copy, on each stream. Services can't touch it.
const consumerName = "jethook-move"

// headerMoved tells where a forwarded message lay.
const headerMoved = "Jethook-Moved"

const (
	// batchBytes bounds what is on its way from a stream, and batchWait how long one waits for so much.
	batchBytes = 16 << 20
	batchWait  = 200 * time.Millisecond
	// ackWait is how long what a killed move had taken waits until the next one gets it, and mostUnacked how much that is.
	ackWait     = 30 * time.Second
	mostUnacked = 4096
)

// forwarder forwards what is stored in streams of a store.
type forwarder struct {
	source, target jetstream.JetStream
	fits           int64 // bytes of a message on the target
	aside          *aside.Store
	ends           map[string]uint64 // by stream, the last place that was copied
	log            *slog.Logger
	count          atomic.Int64
	refused        outage.Outage
}

func newForwarder(target jetstream.JetStream, to *config.Config, ends map[string]uint64, log *slog.Logger) *forwarder {
	conn := &connection.Conn{Conn: target.Conn(), JS: target}
	fits := target.Conn().MaxPayload()
	return &forwarder{
		target: target, fits: fits, ends: ends, log: log,
		aside:   aside.New(conn, conn, fits-embedded.HeaderRoom, to.LargeBodies, log),
		refused: outage.Outage{Fails: "the cluster does not take an event; retrying", Works: "the cluster takes events again"},
	}
}

// stream forwards one stream. It returns nil only when that can't get any more messages and all are across.
func (f *forwarder) stream(ctx context.Context, name string, last bool) error {
	c, err := f.consumer(ctx, name)
	if last && errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	for err == nil {
		var n int
		if n, err = f.batch(ctx, name, c); err != nil || n > 0 || !last {
			continue
		}
		info, err := c.Info(ctx)
		if err != nil {
			return fmt.Errorf("asking for consumer %s of %s: %w", consumerName, name, err)
		}
		if info.NumPending == 0 && info.NumAckPending == 0 {
			return nil
		}
	}
	return fmt.Errorf("forwarding %s: %w", name, err)
}

func (f *forwarder) consumer(ctx context.Context, stream string) (jetstream.Consumer, error) {
	cfg := jetstream.ConsumerConfig{
		Durable: consumerName, Description: "what is stored while the store is moved", AckPolicy: jetstream.AckExplicitPolicy,
		AckWait: ackWait, MaxAckPending: mostUnacked, DeliverPolicy: jetstream.DeliverAllPolicy,
	}
	if end := f.ends[stream]; end > 0 {
		cfg.DeliverPolicy, cfg.OptStartSeq = jetstream.DeliverByStartSequencePolicy, end+1
	}
	return f.source.CreateOrUpdateConsumer(ctx, stream, cfg)
}

// onItsWay is a message that the target has not acknowledged yet.
type onItsWay struct {
	from jetstream.Msg
	to   *nats.Msg
	ack  jetstream.PubAckFuture // nil: it was not sent
}

// batch forwards what there is, in its order, and returns how much that was. Of a bucket it forwards one value after the other: one
// that was refused at first must not replace a later one of its key.
func (f *forwarder) batch(ctx context.Context, stream string, c jetstream.Consumer) (n int, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	got, err := c.FetchBytes(max(batchBytes, int(f.source.Conn().MaxPayload())+embedded.HeaderRoom), jetstream.FetchMaxWait(batchWait))
	if err != nil {
		return 0, err
	}
	var all []onItsWay
	single := strings.HasPrefix(stream, bucketPrefix)
	for m := range got.Messages() {
		one := onItsWay{from: m}
		if one.to, err = f.prepare(ctx, stream, m); err != nil {
			return 0, err
		}
		if single {
			if err := f.settle(ctx, &one); err != nil {
				return 0, err
			}
			f.count.Add(1)
			n++
			continue
		}
		if one.ack, err = f.target.PublishMsgAsync(one.to); err != nil {
			one.ack = nil
		}
		all = append(all, one)
	}
	if err := got.Error(); err != nil {
		return 0, err
	}
	for i := range all {
		if err := f.settle(ctx, &all[i]); err != nil {
			return 0, err
		}
	}
	f.count.Add(int64(len(all)))
	return n + len(all), nil
}

// prepare makes the message for the target: as it is, with the id that its place gave it, and with its body.
func (f *forwarder) prepare(ctx context.Context, stream string, m jetstream.Msg) (*nats.Msg, error) {
	meta, err := m.Metadata()
	if err != nil {
		return nil, err
	}
	out := nats.NewMsg(m.Subject())
	out.Data = m.Data()
	for name, values := range m.Headers() {
		if !backup.IsPassing(name) || name == event.HeaderMsgID {
			out.Header[name] = values
		}
	}
	place := stream + "-" + strconv.FormatUint(meta.Sequence.Stream, 10)
	out.Header.Set(headerMoved, place)
	if out.Header.Get(event.HeaderMsgID) == "" {
		out.Header.Set(event.HeaderMsgID, place)
	}
	e := event.Parse(m.Subject(), m.Headers(), m.Data(), stream, meta.Sequence.Stream, meta.Timestamp)
	if slices.Contains(topology.EventStreams, stream) && out.Header.Get(event.HeaderID) == "" {
		out.Header.Set(event.HeaderID, e.ID)
		out.Header.Set(event.HeaderReceived, e.Received.UTC().Format(time.RFC3339Nano))
	}
	switch {
	case e.Object != "":
		return out, f.copyBody(ctx, e.Object)
	case stream == topology.StreamWebhooks && int64(out.Size()) > f.fits && f.aside.Overflows(len(e.Body)):
		err = f.aside.SetAside(ctx, &e)
		e.SetObject(out.Header, e.Away)
		out.Data = nil
	}
	return out, err
}

// copyBody copies a body that is stored aside. One that is gone is missing there as it is here.
func (f *forwarder) copyBody(ctx context.Context, name string) error {
	from, err := f.source.ObjectStore(ctx, topology.BucketBodies)
	if err != nil {
		return fmt.Errorf("opening the bodies: %w", err)
	}
	body, err := from.Get(ctx, name)
	if errors.Is(err, jetstream.ErrObjectNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading a body: %w", err)
	}
	defer body.Close()
	to, err := f.target.ObjectStore(ctx, topology.BucketBodies)
	if err != nil {
		return fmt.Errorf("opening the cluster's bodies: %w", err)
	}
	if _, err := to.Put(ctx, jetstream.ObjectMeta{Name: name}, body); err != nil {
		return fmt.Errorf("copying a body: %w", err)
	}
	return nil
}

// settle returns when the target has the message, however often that takes, and the source knows.
func (f *forwarder) settle(ctx context.Context, one *onItsWay) error {
	var ack *jetstream.PubAck
	var err error
	if one.ack != nil {
		select {
		case ack = <-one.ack.Ok():
		case err = <-one.ack.Err():
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if ack == nil {
		if err != nil {
			f.refused.Tell(f.log, err)
		}
		if ack, err = f.insist(ctx, one.to); err != nil {
			return err
		}
	}
	if err := f.keepApart(ctx, one.to, ack); err != nil {
		return err
	}
	return one.from.Ack()
}

// insist stores a message however often that takes.
func (f *forwarder) insist(ctx context.Context, m *nats.Msg) (*jetstream.PubAck, error) {
	for {
		try, cancel := context.WithTimeout(ctx, publishTime)
		ack, err := f.target.PublishMsg(try, m)
		cancel()
		if ctx.Err() == nil {
			f.refused.Tell(f.log, err, "message", m.Header.Get(headerMoved))
		}
		if err == nil {
			return ack, nil
		}
		if err := pause(ctx, retryPause); err != nil {
			return nil, err
		}
	}
}

// keepApart stores a message that the target takes for a copy of another one, though both lay in the source: there, more time than
// the target remembers ids for had passed between them.
func (f *forwarder) keepApart(ctx context.Context, m *nats.Msg, ack *jetstream.PubAck) error {
	if !ack.Duplicate {
		return nil
	}
	s, err := f.target.Stream(ctx, ack.Stream)
	if err != nil {
		return fmt.Errorf("looking at a duplicate in %s: %w", ack.Stream, err)
	}
	other, err := s.GetMsg(ctx, ack.Sequence)
	if err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
		return fmt.Errorf("looking at a duplicate in %s: %w", ack.Stream, err)
	}
	place := m.Header.Get(headerMoved)
	if err == nil && (other.Header.Get(headerMoved) == "" || other.Header.Get(headerMoved) == place) {
		return nil
	}
	m.Header.Set(event.HeaderMsgID, place)
	_, err = f.insist(ctx, m)
	return err
}
