package publish

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

// lateBucket is a bucket that is made when it is first wanted: most stores never want it.
type lateBucket struct {
	cfg jetstream.KeyValueConfig

	mu sync.Mutex // guards kv
	kv jetstream.KeyValue
}

func (l *lateBucket) open(ctx context.Context, js jetstream.JetStream) (jetstream.KeyValue, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.kv == nil {
		kv, err := ensureBucket(ctx, js, l.cfg)
		if err != nil {
			return nil, err
		}
		l.kv = kv
	}
	return l.kv, nil
}

func requestsConfig(replicas int, storage int64) jetstream.KeyValueConfig {
	return jetstream.KeyValueConfig{
		Bucket: BucketRequests, Description: "requests that were made with an Idempotency-Key",
		Storage: jetstream.FileStorage, Replicas: replicas, TTL: RequestsAge, MaxBytes: shareOf(storage, requestsBytes, requestsShare, replicas),
	}
}

// Requests is the bucket in which a request with an Idempotency-Key leaves what it did, for [RequestsAge].
func (b *Bus) Requests(ctx context.Context) (jetstream.KeyValue, error) {
	return b.requests.open(ctx, b.reads.JS)
}
