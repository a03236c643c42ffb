package topology

import (
	"context"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	// BucketRequests remembers the requests that were made with an Idempotency-Key.
	BucketRequests = "jethook_requests"
	// RequestsAge is how long it does.
	RequestsAge = 24 * time.Hour
	// requestsBytes bounds it, to a part of a small store: some 200,000 requests a day.
	requestsBytes = 64 << 20
	requestsShare = 100
)

// LateBucket is a bucket that is made when it is first wanted: most stores never want it.
type LateBucket struct {
	Config jetstream.KeyValueConfig

	mu sync.Mutex // guards kv
	kv jetstream.KeyValue
}

// Open opens the bucket, and makes it if it is missing.
func (l *LateBucket) Open(ctx context.Context, js jetstream.JetStream) (jetstream.KeyValue, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.kv == nil {
		kv, err := EnsureBucket(ctx, js, l.Config)
		if err != nil {
			return nil, err
		}
		l.kv = kv
	}
	return l.kv, nil
}

// RequestsConfig is that bucket, in a store of so many bytes.
func RequestsConfig(replicas int, storage int64) jetstream.KeyValueConfig {
	return jetstream.KeyValueConfig{
		Bucket: BucketRequests, Description: "requests that were made with an Idempotency-Key",
		Storage: jetstream.FileStorage, Replicas: replicas, TTL: RequestsAge, MaxBytes: shareOf(storage, requestsBytes, requestsShare, replicas),
	}
}
