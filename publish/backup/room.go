package backup

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"jethook/publish/failure"
)

// bytes is how much the stream held.
func (s *Stream) bytes() (int64, error) {
	var state struct{ Bytes int64 }
	if err := json.Unmarshal(s.State, &state); err != nil {
		return 0, fmt.Errorf("%w: the state of %s: %w", ErrDamaged, s.Name, err)
	}
	return state.Bytes, nil
}

// wantOfRoom says of an error what to do, if the servers refused a stream for want of room.
func (t *restore) wantOfRoom(err error) error {
	refused, ok := errors.AsType[*jetstream.APIError](err)
	if !ok || !failure.IsFull(int(refused.ErrorCode)) {
		return err
	}
	holds, _ := t.of.bytes()
	return fmt.Errorf("%w: the servers have no room for %d bytes with what is reserved for it; give the account, or max_file_store of the servers, more, or lower "+
		"what JETHOOK_HISTORY_MAX_BYTES, JETHOOK_DEAD_MAX_BYTES and the like reserve: %w", failure.ErrFull, holds, err)
}
