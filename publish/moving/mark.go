package moving

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Stream holds the mark, on its one subject.
const (
	Stream  = "JETHOOK_MOVING"
	subject = "jethook.moving"
	// news is where the processes are told to look at the mark, once it is stored.
	news = "jethook.rpc.moving"
)

// Phase is how far a move is.
type Phase string

// The phases, in their order. The cluster is the truth from Forwarding on.
const (
	Cancelled  Phase = "cancelled"  // the store is what it was before
	Copying    Phase = "copying"    // nothing but what is received may change the store
	Forwarding Phase = "forwarding" // the cluster has all that was there; what is still received goes there too
	Moved      Phase = "moved"      // nothing may start from the store any more
)

// Mark is what is noted of a move.
type Mark struct {
	ID    string            `json:"id"` // also noted on the cluster
	Phase Phase             `json:"phase"`
	To    string            `json:"to"` // the cluster, without a login
	Began time.Time         `json:"began"`
	Ends  map[string]uint64 `json:"ends,omitempty"` // by stream, the last place that was copied

	place uint64 // where it is stored; 0: it is not
}

// holds reports whether the mark keeps the store from changing.
func (m *Mark) holds() bool { return m != nil && m.Phase != Cancelled }

// Read returns the mark of a store; nil: there is none.
func Read(ctx context.Context, js jetstream.JetStream) (*Mark, error) {
	s, err := js.Stream(ctx, Stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, nil
	}
	var stored *jetstream.RawStreamMsg
	if err == nil {
		stored, err = s.GetLastMsgForSubject(ctx, subject)
	}
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading whether the store is being moved: %w", err)
	}
	m := &Mark{place: stored.Sequence}
	if err := json.Unmarshal(stored.Data, m); err != nil {
		return nil, fmt.Errorf("reading the mark of a move in %s: %w", Stream, err)
	}
	return m, nil
}

// Write stores the mark in the place of another one, nil for none, and tells the processes. It fails if that is not the last
// one any more.
func (m *Mark) Write(ctx context.Context, js jetstream.JetStream, before *Mark) error {
	_, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: Stream, Description: "a move of this store to a cluster", Subjects: []string{subject},
		Storage: jetstream.FileStorage, MaxMsgsPerSubject: 1,
	})
	if err != nil {
		return fmt.Errorf("marking the store: %w", err)
	}
	data, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("marking the store: %w", err)
	}
	var place uint64
	if before != nil {
		place = before.place
	}
	ack, err := js.Publish(ctx, subject, data, jetstream.WithExpectLastSequencePerSubject(place))
	if err != nil {
		return fmt.Errorf("marking the store (another move may have begun, or taken this one back): %w", err)
	}
	m.place = ack.Sequence
	return js.Conn().Publish(news, nil)
}
