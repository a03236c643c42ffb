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

// requests is the bucket of that name, which is made when it is first wanted: most never want it.
type requests struct {
	cfg jetstream.KeyValueConfig

	mu sync.Mutex // guards kv
	kv jetstream.KeyValue
}

func requestsConfig(replicas int, storage int64) jetstream.KeyValueConfig {
	most := int64(requestsBytes)
	if storage > 0 {
		most = min(most, max(leastRoom, storage/requestsShare/int64(replicas)))
	}
	return jetstream.KeyValueConfig{
		Bucket: BucketRequests, Description: "requests that were made with an Idempotency-Key",
		Storage: jetstream.FileStorage, Replicas: replicas, TTL: RequestsAge, MaxBytes: most,
	}
}

// Requests is the bucket in which a request with an Idempotency-Key leaves what it did, for [RequestsAge].
func (b *Bus) Requests(ctx context.Context) (jetstream.KeyValue, error) {
	b.requests.mu.Lock()
	defer b.requests.mu.Unlock()
	if b.requests.kv != nil {
		return b.requests.kv, nil
	}
	kv, err := ensureBucket(ctx, b.reads.js, b.requests.cfg)
	if err != nil {
		return nil, err
	}
	b.requests.kv = kv
	return kv, nil
}
