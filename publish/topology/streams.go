package topology

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"jethook/config"
	"jethook/config/quantity"
	"jethook/publish/connection"
	"jethook/publish/embedded"
	"jethook/publish/failure"
)

// Names of the streams and of the bucket.
const (
	StreamWebhooks   = "WEBHOOKS"
	StreamEvents     = "EVENTS"
	StreamOps        = "OPS"
	StreamDeliveries = "DELIVERIES"
	StreamDead       = "DEAD"
	StreamHistory    = "HISTORY"
	StreamRejected   = "REJECTED"
	BucketEndpoints  = "jethook_endpoints"
	BucketSources    = "jethook_sources"
	BucketRecoveries = "jethook_recoveries"
	BucketCursors    = "jethook_cursors"
)

// StagedStreams are those that only Jethook writes batches to.
var StagedStreams = []string{StreamWebhooks, StreamDeliveries, StreamDead}

// Bounds of Jethook's own streams. The events' streams are bounded by RETENTION and the disk: they take
// nothing more when it is full, since dropping the oldest event to make room could drop one that is still to
// be delivered.
const (
	deadAge = 30 * 24 * time.Hour
	// opsBytes bounds the operational events; these, the dead letters and the history have at most a
	// part of a small store, since JetStream sets aside what a stream may grow to.
	ownShare  = 10
	opsBytes  = 64 << 20
	opsShare  = 100
	leastRoom = 1 << 20
	// leastReplayWindow is for how long a replay or a recovery may be asked for again, however short DEDUP_WINDOW is.
	leastReplayWindow = time.Minute
)

// shareOf is how many bytes something of ours may take: so many, and at most a part of a small store, of each replica; a store
// of 0 has no limit.
func shareOf(storage, most, share int64, replicas int) int64 {
	if storage == 0 {
		return most
	}
	return min(most, max(leastRoom, storage/share/int64(replicas)))
}

// StreamConfigs are the streams as Jethook makes them when they are missing, in a store of so many bytes; 0 for
// one without a limit.
func StreamConfigs(cfg *config.Config, maxBody int64, room Room) []jetstream.StreamConfig {
	bound := func(most, share int64) int64 { return shareOf(room.Bytes, most, share, cfg.Replicas) }
	events := func(name, subjects, description string, size quantity.Bytes) jetstream.StreamConfig {
		return jetstream.StreamConfig{
			Name: name, Description: description, Subjects: []string{subjects}, MaxBytes: room.Of(int64(size), eventsShare, cfg.Replicas),
			Discard: jetstream.DiscardNew, MaxAge: cfg.Retention, Duplicates: cfg.DedupWindow,
			// A retry of the event, which has more headers, must fit into a message too.
			MaxMsgSize:         int32(maxBody + embedded.HeaderRoom/2),
			AllowAtomicPublish: true, AllowDirect: true,
		}
	}
	internal := events(StreamEvents, "events.>", "events of internal services", cfg.EventsMaxBytes)
	// A place is the id of an event that has no other, and receivers remember ids: so no store made anew may give the
	// places of the one before. That holds as long as a store takes fewer than a million events a second.
	internal.FirstSeq = uint64(time.Now().UnixMicro())
	copyStream(&internal, cfg)
	ops := events(StreamOps, "jethook.ops.>", "operational events of Jethook", 0)
	ops.Discard, ops.MaxBytes = jetstream.DiscardOld, bound(opsBytes, opsShare)
	streams := []jetstream.StreamConfig{
		events(StreamWebhooks, "webhooks.>", "received webhooks", cfg.WebhooksMaxBytes),
		internal,
		ops,
		{
			Name: StreamDeliveries, Description: "deliveries that wait for their time",
			Subjects:  []string{dueSubjects, retrySubjects},
			Retention: jetstream.WorkQueuePolicy, Duplicates: max(cfg.DedupWindow, leastReplayWindow),
			AllowMsgSchedules: true, AllowRollup: true, AllowAtomicPublish: true, AllowDirect: true,
			// A stream with schedules can't refuse what exceeds this, but would drop the oldest: the bus keeps away from it.
			MaxBytes: room.Of(int64(cfg.DeliveriesMaxBytes), deliveriesShare, cfg.Replicas),
		},
		{
			Name: StreamDead, Description: "deliveries that failed for good",
			Subjects: []string{deadSubjects}, MaxMsgsPerSubject: 1, MaxAge: deadAge, MaxBytes: bound(int64(cfg.DeadMaxBytes), ownShare),
			AllowAtomicPublish: true, AllowDirect: true,
		},
		{
			Name: StreamHistory, Description: "every attempt",
			Subjects: []string{historySubjects}, AllowDirect: true,
			MaxAge: cfg.HistoryAge, MaxBytes: bound(int64(cfg.HistoryMaxBytes), ownShare),
		},
		rejectedConfig(cfg, bound),
		auditConfig(cfg, room),
	}
	for i := range streams {
		s := &streams[i]
		s.Storage, s.Replicas = jetstream.FileStorage, cfg.Replicas
		switch s.Name {
		case StreamDeliveries: // what waits there has no age
		case StreamAudit:
			s.Duplicates = min(time.Minute, cfg.AuditRetention)
		default:
			s.Duplicates = min(s.Duplicates, cfg.Retention)
		}
		if cfg.Replicas == 1 && (s.Name == StreamHistory || s.Name == StreamRejected) {
			// The history is written for every delivery, and rejected requests for anyone who sends them: neither waits
			// for the disk. See HistoryIsLate of the bus for what that asks of others.
			s.PersistMode = jetstream.AsyncPersistMode
		}
		noteSettings(s, cfg)
	}
	return streams
}

// ErrStreamMismatch means that a stream exists with settings under which a guarantee would break.
var ErrStreamMismatch = errors.New("a stream's settings break a guarantee")

// EnsureStreams creates what is missing, lets those that Jethook made follow the settings, and returns the streams.
// What an operator made or changed is never changed:
// differences that break a guarantee are reported, all at once; others are theirs to choose.
func EnsureStreams(ctx context.Context, p *connection.Patience, js jetstream.JetStream, log *slog.Logger, wanted []jetstream.StreamConfig) (map[string]jetstream.Stream, error) {
	have := make(map[string]jetstream.Stream)
	var problems []string
	for _, want := range wanted {
		var s jetstream.Stream
		if err := p.Await(ctx, "stream "+want.Name+" in JetStream", func(ctx context.Context) (err error) {
			if err = checkCopied(ctx, js, &want); err != nil {
				return err
			}
			if s, err = ensureStream(ctx, js, &want); err == nil {
				s, err = followSettings(ctx, js, s, &want, log)
			}
			return err
		}); err != nil {
			return nil, err
		}
		have[want.Name] = s
		for _, d := range mismatches(want, s.CachedInfo().Config) {
			problems = append(problems, want.Name+": "+d)
		}
	}
	if len(problems) > 0 {
		return nil, fmt.Errorf("%w; change them, or remove the stream, and Jethook recreates it:\n  %s",
			ErrStreamMismatch, strings.Join(problems, "\n  "))
	}
	return have, nil
}

// ensureStream opens a stream, and makes it if it is missing.
func ensureStream(ctx context.Context, js jetstream.JetStream, want *jetstream.StreamConfig) (jetstream.Stream, error) {
	s, err := js.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		s, err = js.CreateStream(ctx, *want)
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // another process was faster
			s, err = js.Stream(ctx, want.Name)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("creating stream %s for the subjects %s: %w", want.Name, strings.Join(want.Subjects, " "), err)
	}
	return s, nil
}

// mismatches names the differences under which a guarantee would break.
func mismatches(want, got jetstream.StreamConfig) []string {
	var out []string
	bad := func(wrong bool, format string, a ...any) {
		if wrong {
			out = append(out, fmt.Sprintf(format, a...))
		}
	}
	for _, s := range want.Subjects {
		bad(!slices.Contains(got.Subjects, s), "it does not take the subject %s", s)
	}
	for _, c := range want.Sources {
		copies := slices.ContainsFunc(got.Sources, func(s *jetstream.StreamSource) bool { return s.Name == c.Name })
		bad(!copies, "it does not copy %s, the stream of JETHOOK_EVENTS_STREAM; add that as a source", c.Name)
	}
	bad(got.Storage != jetstream.FileStorage, "it keeps messages in memory, so a restart loses them")
	bad(got.Retention != want.Retention, "its retention is %s, needed is %s", got.Retention, want.Retention)
	bad(got.NoAck, "no_ack is set, so nothing tells whether a message is stored")
	bad(got.Sealed, "it is sealed")
	bad(got.Mirror != nil, "it is a mirror")
	bad(got.SubjectTransform != nil, "it renames subjects, so nobody finds its messages by theirs")
	bad(got.PersistMode == jetstream.AsyncPersistMode && want.Name != StreamHistory && want.Name != StreamRejected,
		"its persist_mode is async, so it acknowledges what a crash loses")
	bad(want.AllowMsgSchedules && !got.AllowMsgSchedules, "allow_msg_schedules is off, so no retry could wait")
	bad(want.AllowRollup && (!got.AllowRollup || got.DenyPurge), "roll-ups are off, so a schedule could not be replaced")
	bad(want.Name == StreamDeliveries && (got.MaxAge > 0 || got.MaxMsgs > 0 || got.MaxMsgsPerSubject > 0),
		"it has limits other than max_bytes, which would drop deliveries that wait")
	bad(want.Discard == jetstream.DiscardNew && got.Discard != jetstream.DiscardNew && (got.MaxBytes > 0 || got.MaxMsgs > 0),
		"it drops the oldest events when it is full (discard: old)")
	bad(want.Discard == jetstream.DiscardNew && got.MaxMsgsPerSubject > 0 && !got.DiscardNewPerSubject,
		"it keeps %d events of a subject and drops the older ones (max_msgs_per_subject)", got.MaxMsgsPerSubject)
	own := slices.Contains([]string{StreamDeliveries, StreamDead, StreamHistory, StreamRejected, StreamAudit}, want.Name)
	bad(own && !got.AllowDirect, "allow_direct is off, so nothing of it could be listed")
	bad(want.Name == StreamDeliveries && got.Duplicates < leastReplayWindow, "its duplicate window is under a minute, so a replay pressed twice could deliver twice")
	bad(want.Name == StreamDead && got.MaxMsgsPerSubject != 1, "max_msgs_per_subject is %d, needed is 1", got.MaxMsgsPerSubject)
	return out
}

// recoveryAge is how long a recovery that has ended can be looked at. One that runs is written again and again.
const recoveryAge = 7 * 24 * time.Hour

// bucketConfigs are the buckets as Jethook makes them when they are missing.
var bucketConfigs = []jetstream.KeyValueConfig{
	{Bucket: BucketEndpoints, Description: "endpoints that events are delivered to"},
	{Bucket: BucketCursors, Description: "where endpoints stand that don't keep up"},
	{Bucket: BucketRecoveries, Description: "recoveries of endpoints, and where they stand", TTL: recoveryAge},
}

// EnsureBuckets opens the buckets, and makes those that are missing.
func EnsureBuckets(ctx context.Context, js jetstream.JetStream, cfg *config.Config, room Room) (map[string]jetstream.KeyValue, error) {
	have := make(map[string]jetstream.KeyValue)
	for _, want := range bucketConfigs {
		want.Storage, want.Replicas, want.MaxBytes = jetstream.FileStorage, cfg.Replicas, room.OfBucket(cfg)
		kv, err := EnsureBucket(ctx, js, want)
		if err != nil {
			return nil, err
		}
		have[want.Bucket] = kv
	}
	return have, nil
}

// EnsureBucket opens a bucket, and makes it if it is missing. One that is to keep what it holds for ever must do so.
func EnsureBucket(ctx context.Context, js jetstream.JetStream, cfg jetstream.KeyValueConfig) (jetstream.KeyValue, error) {
	kv, err := js.KeyValue(ctx, cfg.Bucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		kv, err = js.CreateKeyValue(ctx, cfg)
		if errors.Is(err, jetstream.ErrBucketExists) { // another process was faster
			kv, err = js.KeyValue(ctx, cfg.Bucket)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("opening bucket %s: %w", cfg.Bucket, failure.Classify(err))
	}
	if cfg.TTL > 0 { // it forgets by itself
		return kv, nil
	}
	status, err := kv.Status(ctx)
	if err != nil {
		return nil, fmt.Errorf("opening bucket %s: %w", cfg.Bucket, failure.Classify(err))
	}
	switch got := status.Config(); {
	case got.Storage != jetstream.FileStorage:
		return nil, fmt.Errorf("%w: bucket %s is in memory, so a restart loses its content; change it, or remove it, and Jethook recreates it",
			ErrStreamMismatch, cfg.Bucket)
	case got.TTL > 0:
		return nil, fmt.Errorf("%w: bucket %s drops records older than %s (ttl); change it, or remove it, and Jethook recreates it",
			ErrStreamMismatch, cfg.Bucket, got.TTL)
	}
	return kv, nil
}

// Settings of the consumers that consume processes share.
const (
	ConsumerName = "jethook"
	// AckWait is how long what a killed process held waits until another one gets it. A living process keeps
	// what it holds by telling so more often than that.
	AckWait = 5 * time.Second
	// maxAckPending is well above what the processes together hold, so that a killed process delays only what
	// it held itself.
	maxAckPending = 100_000
)

// Queue is what all consume processes share of one stream: each message of it is given to one of them.
type Queue struct {
	Stream, Filter string
	Name           string // of its consumer
}

// The queues. Only stores that an earlier release made have turns: deliveries that it wrote down to wait for their turn at
// a busy endpoint.
var (
	QueueWebhooks = Queue{Stream: StreamWebhooks, Name: ConsumerName, Filter: "webhooks.>"}
	QueueEvents   = Queue{Stream: StreamEvents, Name: ConsumerName, Filter: "events.>"}
	QueueOps      = Queue{Stream: StreamOps, Name: ConsumerName, Filter: "jethook.ops.>"}
	QueueDue      = Queue{Stream: StreamDeliveries, Name: ConsumerName, Filter: dueSubjects}
	QueueTurns    = Queue{Stream: StreamDeliveries, Name: ConsumerName + "-turns", Filter: TurnSubjects}
)

// EnsureConsumer opens the consumer of a queue, and makes it if it is missing.
func EnsureConsumer(ctx context.Context, js jetstream.JetStream, q Queue) (jetstream.Consumer, error) {
	c, err := js.Consumer(ctx, q.Stream, q.Name)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		c, err = js.CreateConsumer(ctx, q.Stream, jetstream.ConsumerConfig{
			Durable: q.Name, Description: "deliveries to endpoints", FilterSubject: q.Filter,
			AckPolicy: jetstream.AckExplicitPolicy, AckWait: AckWait, MaxAckPending: maxAckPending,
			DeliverPolicy: jetstream.DeliverAllPolicy,
		})
		if errors.Is(err, jetstream.ErrConsumerExists) {
			c, err = js.Consumer(ctx, q.Stream, q.Name)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("opening consumer %s of %s: %w", q.Name, q.Stream, err)
	}
	got := c.CachedInfo().Config
	if got.AckPolicy != jetstream.AckExplicitPolicy || got.MaxDeliver > 0 || got.FilterSubject != q.Filter || got.AckWait > AckWait {
		return nil, fmt.Errorf("%w: consumer %s of %s must acknowledge explicitly within %s, deliver without limit and filter %s; remove it, and Jethook recreates it",
			ErrStreamMismatch, q.Name, q.Stream, AckWait, q.Filter)
	}
	return c, nil
}
