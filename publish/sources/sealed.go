package sources

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"jethook/publish/failure"
	"jethook/publish/report"
	"jethook/publish/seal"
	"jethook/publish/topology"
)

// sealedState is a state that is sealed whole. Its field has the name of the list in an unsealed one: a process of an
// older version, which knows nothing of this, must not take it for a source without a secret.
type sealedState struct {
	Secrets string `json:"secrets"`
}

// recordPlace is what a source's record is sealed for: it opens nowhere else.
func recordPlace(source string) string { return "record of source " + source }

// maxSourceRecord bounds a record, in bytes, before anything of it is read.
const maxSourceRecord = 1 << 20

func (s *Sources) sealRecord(source string, data []byte) []byte {
	if s.ring.IsEmpty() {
		return data
	}
	return fmt.Appendf(nil, `{"secrets":%q}`, s.ring.Seal(data, recordPlace(source)))
}

// openRecord returns what sealRecord was given, and whether it was sealed. A record that was not is returned as it is,
// if those are taken.
func (s *Sources) openRecord(source string, data []byte) (plain []byte, sealed bool, err error) {
	if len(data) > maxSourceRecord {
		return nil, false, fmt.Errorf("it is larger than %d bytes", maxSourceRecord)
	}
	var st sealedState
	if json.Unmarshal(data, &st) == nil && st.Secrets != "" {
		if plain, err = s.ring.Open(st.Secrets, recordPlace(source)); err != nil {
			return nil, false, fmt.Errorf("opening it: %w", err)
		}
		return plain, true, nil
	}
	if s.seals.Only() {
		return nil, false, seal.ErrUnsealed
	}
	return data, false, nil
}

// read decodes an entry of the bucket, and notes it if that can't be done.
func (s *Sources) read(entry jetstream.KeyValueEntry) (State, error) {
	state, err := s.decode(entry.Key(), entry.Value())
	s.bad.Note(entry.Key(), err)
	if err != nil {
		return State{}, fmt.Errorf("the state of source %s: %w: %w", entry.Key(), seal.ErrUnreadable, err)
	}
	return state, nil
}

// sealAll seals what is not sealed by the first key, and from then on takes nothing else. Only who receives from such
// sources does it: other processes need not have the same key, or any.
func (s *Sources) sealAll(ctx context.Context) error {
	if err := s.seals.Wrong(); err != nil {
		s.log.Error("cannot read the secrets that senders handed over; accepting no new ones", "error", err)
		return nil
	}
	w, err := s.kv.WatchAll(ctx, jetstream.IgnoreDeletes())
	if err != nil {
		return fmt.Errorf("reading the sources' bucket: %w", failure.Classify(err))
	}
	defer w.Stop()
	var stale []string
	for entry := range w.Updates() {
		if entry == nil { // the end of what was there
			break
		}
		if _, err := s.read(entry); err == nil && !s.isCurrent(entry.Value()) {
			stale = append(stale, entry.Key())
		}
	}
	for _, source := range stale {
		_, err := s.update(ctx, source, func(*State) error { return nil })
		if err != nil && !errors.Is(err, seal.ErrUnreadable) {
			return fmt.Errorf("sealing what is known of sources: %w", err)
		}
	}
	s.seals.Close(ctx)
	return nil
}

// isCurrent reports whether data is as encode would write it today.
func (s *Sources) isCurrent(data []byte) bool {
	var sealed sealedState
	return s.ring.IsEmpty() || json.Unmarshal(data, &sealed) == nil && s.ring.IsCurrent(sealed.Secrets)
}

// Unreadable names the records that can't be read, or the whole bucket when the key is wrong, and tells how many there
// are.
func (s *Sources) Unreadable() ([]report.Unreadable, int) {
	if err := s.seals.Wrong(); err != nil && s.followed.Load() {
		return []report.Unreadable{{Bucket: topology.BucketSources, Why: err.Error()}}, 1
	}
	return s.bad.Report(), s.bad.Len()
}
