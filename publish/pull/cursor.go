package pull

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/tidwall/gjson"

	"jethook/publish/failure"
	"jethook/publish/query"
	"jethook/publish/topology"
)

// Own names a consumer of a stream of events: that of an endpoint's cursor, by the epoch of its record; the one that an
// ordered endpoint has, without an epoch; or the one that all share, without an endpoint. A consumer of another epoch is
// another consumer: whoever removes that of a record that is over can't remove the one of the next.
type Own struct{ Stream, Endpoint, Epoch string }

func (o Own) name() string {
	switch {
	case o.Endpoint == "":
		return topology.ConsumerName
	case o.Epoch == "":
		return o.Endpoint
	default:
		return o.Endpoint + "-" + o.Epoch
	}
}

func (o Own) String() string { return o.name() + " of " + o.Stream }

// epochMark is in the metadata of a cursor's consumer: which record it belongs to.
const epochMark = "jethook-epoch"

// codeMaxConsumers is JetStream's error for one consumer more than a stream may have.
const codeMaxConsumers jetstream.ErrorCode = 10026

// cursorPending bounds what the processes together hold of one cursor.
const cursorPending = 4096

// Records is the bucket that says where endpoints stand that don't keep up.
func (s *Set) Records() jetstream.KeyValue { return s.bucket }

// RecordsRevision returns the last revision that lies in that bucket, as its leader knows it.
func (s *Set) RecordsRevision(ctx context.Context) (uint64, error) {
	if cfg := s.cursors.CachedInfo().Config; cfg.Replicas == 1 && cfg.AllowDirect {
		// Asked for each burst of events: this is answered by the bucket itself and not among all requests of the API.
		m, err := query.Get(ctx, s.front, cfg.Name, query.Question{Last: "$KV." + topology.BucketCursors + ".>"})
		if err == nil || errors.Is(err, failure.ErrNotFound) {
			return m.Seq, nil
		}
		return 0, fmt.Errorf("asking for the cursors' bucket: %w", err)
	}
	m, err := s.atLeader(ctx, "KV_"+topology.BucketCursors, query.Question{Last: "$KV." + topology.BucketCursors + ".>"})
	switch {
	case errors.Is(err, failure.ErrNotFound):
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("asking for the cursors' bucket: %w", err)
	}
	return m.Seq, nil
}

// Record returns a record of that bucket and its revision, as its leader knows them. ErrNotFound: there is none, and the
// revision is that of its removal, or 0.
func (s *Set) Record(ctx context.Context, key string) (data []byte, revision uint64, err error) {
	m, err := s.atLeader(ctx, "KV_"+topology.BucketCursors, query.Question{Last: "$KV." + topology.BucketCursors + "." + key})
	if err != nil {
		return nil, 0, err
	}
	if header, err := nats.DecodeHeadersMsg(m.Header); err == nil && header.Get("KV-Operation") != "" { // it is removed
		return nil, m.Seq, failure.ErrNotFound
	}
	return m.Data, m.Seq, nil
}

// leaders is a message as the leader of its stream gives it out.
type leaders struct {
	Seq    uint64 `json:"seq"`
	Header []byte `json:"hdrs"`
	Data   []byte `json:"data"`
}

// atLeader reads one message of a stream from its leader: a direct get may be answered by a server that lags behind it.
func (s *Set) atLeader(ctx context.Context, stream string, q query.Question) (*leaders, error) {
	ctx, cancel := context.WithTimeout(ctx, query.ReadTimeout)
	defer cancel()
	request, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	got, err := s.front.RequestWithContext(ctx, s.front.API(messagePrefix+stream), request)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", stream, failure.Classify(err))
	}
	var answer struct {
		Message *leaders         `json:"message"`
		Error   *failure.Refusal `json:"error"`
	}
	err = json.Unmarshal(got.Data, &answer)
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading %s: %w", stream, err)
	case answer.Error != nil && answer.Error.ErrCode == failure.CodeNoMessage:
		return nil, failure.ErrNotFound
	case answer.Error != nil:
		return nil, fmt.Errorf("reading %s: %w", stream, answer.Error.Err())
	case answer.Message == nil:
		return nil, fmt.Errorf("%w: reading %s: an answer without a message", failure.ErrUnavailable, stream)
	}
	return answer.Message, nil
}

// messagePrefix begins the subject of a request to a stream's leader for one message.
const messagePrefix = "STREAM.MSG.GET."

// HoldsBetween reports whether a stream has an event that one of the patterns matches, or any if there are none, from a place
// on and before another.
func (s *Set) HoldsBetween(ctx context.Context, stream string, patterns []string, from, until uint64) (bool, error) {
	filters := topology.Filters(stream, patterns)
	if patterns == nil {
		filters = []string{">"}
	}
	for _, p := range filters {
		m, err := s.atLeader(ctx, stream, query.Question{Seq: max(from, 1), Subject: p})
		if errors.Is(err, failure.ErrNotFound) {
			continue
		}
		if err != nil || m.Seq < until {
			return err == nil, err
		}
	}
	return false, nil
}

// HandedOut returns up to which sequence a consumer has handed out its messages, and how many it has, with those that it has
// handed out again. ErrNotFound: there is no such consumer.
func (s *Set) HandedOut(ctx context.Context, own Own) (place, messages uint64, err error) {
	info, err := s.consumerInfo(ctx, own)
	if err != nil {
		return 0, 0, err
	}
	return info.Delivered.Stream, info.Delivered.Consumer, nil
}

func (s *Set) consumerInfo(ctx context.Context, own Own) (*jetstream.ConsumerInfo, error) {
	c, err := s.front.JS.Consumer(ctx, own.Stream, own.name())
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return nil, fmt.Errorf("consumer %s: %w", own, failure.ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("asking for consumer %s: %w", own, failure.Classify(err))
	}
	return c.CachedInfo(), nil
}

// OpenCursor opens the consumer of an endpoint's cursor, with the filters of its patterns. One that is missing is made,
// which made tells, and begins at a sequence.
func (s *Set) OpenCursor(ctx context.Context, own Own, patterns []string, start uint64) (_ *Consumer, made bool, _ error) {
	filters := topology.Filters(own.Stream, patterns)
	c, err := s.front.JS.Consumer(ctx, own.Stream, own.name())
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		c, err = s.front.JS.CreateConsumer(ctx, own.Stream, jetstream.ConsumerConfig{
			Durable: own.name(), Description: "deliveries to one endpoint that does not keep up", FilterSubjects: filters,
			AckPolicy: jetstream.AckExplicitPolicy, AckWait: topology.AckWait, MaxAckPending: cursorPending,
			DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: max(start, 1),
			Metadata: map[string]string{orderedMark: own.Endpoint, epochMark: own.Epoch},
		})
		made = err == nil
		if errors.Is(err, jetstream.ErrConsumerExists) { // another process was faster
			c, err = s.front.JS.Consumer(ctx, own.Stream, own.name())
		}
	}
	if refusal, ok := errors.AsType[*jetstream.APIError](err); ok && refusal.ErrorCode == codeMaxConsumers {
		return nil, false, fmt.Errorf("opening consumer %s: %w: raise default_max_consumers in the limits of JetStream on the NATS servers, or max_consumers of the stream and the account", own, refusal)
	}
	if err != nil {
		return nil, false, fmt.Errorf("opening consumer %s: %w", own, failure.Classify(err))
	}
	cfg := c.CachedInfo().Config
	if !slices.Equal(cfg.FilterSubjects, filters) {
		cfg.FilterSubject, cfg.FilterSubjects = "", filters
		if c, err = s.front.JS.UpdateConsumer(ctx, own.Stream, cfg); err != nil {
			return nil, false, fmt.Errorf("changing consumer %s: %w", own, failure.Classify(err))
		}
	}
	return &Consumer{Consumer: c, conn: s.front}, made, nil
}

// WidenCursors lets the consumers that an endpoint's cursors have let through what patterns match. Called with its old and
// its new patterns before new ones are stored, it makes that nothing of the new ones is passed over afterwards.
func (s *Set) WidenCursors(ctx context.Context, endpoint string, patterns []string) error {
	for _, stream := range topology.EventStreams {
		if err := s.widenCursor(ctx, stream, endpoint, topology.Filters(stream, patterns)); err != nil && !errors.Is(err, failure.ErrNotFound) {
			return err
		}
	}
	return nil
}

func (s *Set) widenCursor(ctx context.Context, stream, endpoint string, filters []string) error {
	data, _, err := s.Record(ctx, endpoint+"."+stream)
	if err != nil {
		return err
	}
	own := Own{stream, endpoint, gjson.GetBytes(data, "epoch").Str}
	info, err := s.consumerInfo(ctx, own)
	if err != nil || len(filters) == 0 || slices.Equal(info.Config.FilterSubjects, filters) {
		return err
	}
	cfg := info.Config
	cfg.FilterSubject, cfg.FilterSubjects = "", filters
	_, err = s.front.JS.UpdateConsumer(ctx, stream, cfg)
	if err != nil && !errors.Is(err, jetstream.ErrConsumerDoesNotExist) {
		return fmt.Errorf("changing consumer %s: %w", own, failure.Classify(err))
	}
	return nil
}

// Drop removes an endpoint's own consumer, if there is one.
func (s *Set) Drop(ctx context.Context, own Own) error {
	err := s.front.JS.DeleteConsumer(ctx, own.Stream, own.name())
	if err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return fmt.Errorf("removing consumer %s: %w", own, failure.Classify(err))
	}
	return nil
}

// Unavailable classes an error of nats.go as [ErrUnavailable], unless it is the end of a context.
func Unavailable(err error) error { return failure.Classify(err) }
