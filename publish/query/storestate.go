package query

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
func (rd *Reader) StoreState(ctx context.Context) (s StoreState, err error) {
	info, err := rd.conn.JS.AccountInfo(ctx)
	if err != nil {
		return s, fmt.Errorf("asking for the store: %w", failure.Classify(err))
	}
	s.Used = info.Store
	s.Limit, err = rd.limit(ctx)
	return s, err
}
