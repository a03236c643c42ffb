package topology

import (
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"jethook/config"
)

// StreamAudit holds what operators did.
const StreamAudit = "AUDIT"

// maxRejected bounds how many rejected requests are kept of one source; the quotas bound their bytes.
const maxRejected = 10_000

// rejectedConfig is the stream of rejected requests. It is written for whoever can reach the public listener, so it
// is not worth an fsync, and the oldest go.
func rejectedConfig(cfg *config.Config, bound func(most, share int64) int64) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: StreamRejected, Description: "requests that did not verify",
		Subjects: []string{rejectedSubjects}, MaxMsgsPerSubject: maxRejected,
		MaxAge: cfg.RejectedRetention, MaxBytes: bound(max(int64(cfg.RejectedMaxBytes), leastRoom), ownShare), AllowDirect: true,
	}
}

// auditConfig is the stream of the audit trail. It takes nothing more when it is full: what is dropped to make room is
// what somebody wanted to see gone.
func auditConfig(cfg *config.Config, room Room) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: StreamAudit, Description: "what operators did, as a chain of hashes", Subjects: []string{AuditSubjects},
		Discard: jetstream.DiscardNew, MaxAge: cfg.AuditRetention, MaxBytes: room.Of(int64(cfg.AuditMaxBytes), auditShare, cfg.Replicas), AllowDirect: true,
	}
}

// BucketRemoved notes which dead letters and rejected requests were removed, until they would be gone by age. It is made when
// the first one is.
const BucketRemoved = "jethook_removed"

const (
	// removedBytes bounds it, to a part of a small store: millions of dead letters that are replayed in bulk.
	removedBytes = 64 << 20
	removedShare = 100
)

// RemovedConfig is that bucket, in a store of so many bytes.
func RemovedConfig(cfg *config.Config, storage int64) jetstream.KeyValueConfig {
	return jetstream.KeyValueConfig{
		Bucket: BucketRemoved, Description: "what was removed, so that it stays so",
		Storage: jetstream.FileStorage, Replicas: cfg.Replicas, TTL: max(deadAge, cfg.RejectedRetention), MaxBytes: shareOf(storage, removedBytes, removedShare, cfg.Replicas),
	}
}

// Keeping is how long the streams of events keep an event, by stream; 0: for ever. Those that may drop one earlier, since
// they are full or are told to, are not in it.
type Keeping map[string]time.Duration

// KeepingOf reads it off the streams.
func KeepingOf(streams map[string]jetstream.Stream) Keeping {
	k := make(Keeping)
	for _, name := range []string{StreamWebhooks, StreamEvents, StreamOps} {
		c := streams[name].CachedInfo().Config
		dropsOld := c.Discard != jetstream.DiscardNew && (c.MaxBytes > 0 || c.MaxMsgs > 0)
		dropsOfSubject := c.MaxMsgsPerSubject > 0 && !c.DiscardNewPerSubject
		if !dropsOld && !dropsOfSubject && !c.AllowRollup && !c.AllowMsgTTL {
			k[name] = c.MaxAge
		}
	}
	return k
}
