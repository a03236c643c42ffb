package publish

import (
	"context"
	"fmt"

	"jethook/publish/failure"
)

// StoreState is how full the whole store is, in bytes.
type StoreState struct {
	Used  uint64 `json:"bytes"`
	Limit int64  `json:"bytes_limit,omitempty" doc:"maximum size in bytes; absent: no limit"`
}

// StoreState returns how much all streams hold together, those of others in the same account among them.
func (b *Bus) StoreState(ctx context.Context) (s StoreState, err error) {
	info, err := b.reads.JS.AccountInfo(ctx)
	if err != nil {
		return s, fmt.Errorf("asking for the store: %w", failure.Classify(err))
	}
	s.Used = info.Store
	room, err := b.storage(ctx, b.replicas)
	s.Limit = room.Bytes
	return s, err
}
