// Package audit keeps the trail of what operators did, as a chain of hashes, in a stream of its own.
//
// An action whose first entry can't be stored does not happen, and no entry can be changed, removed or put in without a break
// that [Trail.Verify] finds. It does not decide which actions are worth an entry.
package audit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"jethook/publish/failure"
	"jethook/publish/query"
	"jethook/publish/topology"
)

// Entry is one entry of the audit trail. An action has two: one before it happens, without a result, and one after.
// So nothing happens that is not in the trail: an action whose first entry can't be stored does not happen, and of one whose
// second is missing it is known that it was begun, by whom, and that its end is not known.
//
// The entries are a chain: each holds the hash of the one before it, so that none can be changed, removed, put in or moved
// without a break in all that follow. Whoever can write to the stream can still replace the whole end of it; who wants to
// notice that keeps the last hash elsewhere.
type Entry struct {
	Previous string    `json:"previous"` // SHA-256 of the entry before, in hex; empty: there was none any more
	Time     time.Time `json:"time"`
	Of       uint64    `json:"of,omitempty"` // the place of the first entry of the action; 0: this is it
	Action   string    `json:"action"`       // noun and verb, such as endpoint.update
	Target   string    `json:"target,omitempty"`

	Actor  string `json:"actor"` // the token's name
	Remote string `json:"remote,omitempty"`
	Agent  string `json:"agent,omitempty"`

	// Fields are the names of what was asked to change, Changes the values of those that tell no secret.
	Fields  []string          `json:"fields,omitempty"`
	Changes map[string]Change `json:"changes,omitempty"`
	Result  string            `json:"result,omitempty"` // ok, or the error's code word; empty before the action
}

// Change is what a field was and became.
type Change struct {
	Before any `json:"before" doc:"the value before; null: there was none, or the field is only a parameter of the request" example:"\"billing\""`
	After  any `json:"after" doc:"the value after; null: it was removed" example:"\"payments\""`
}

// chain is where the audit trail ended when this process last looked.
type chain struct {
	mu   sync.Mutex // held while an entry is added, so that a process does not compete with itself
	seq  uint64
	hash string
}

// maxChainTries is how often an entry is tried again that another process was faster than: each time one of them wins.
const maxChainTries = 100

// Trail is the audit trail.
type Trail struct {
	js     jetstream.JetStream
	stream jetstream.Stream
	reader *query.Reader
	chain  chain
}

// NewTrail returns the trail in a stream.
func NewTrail(js jetstream.JetStream, stream jetstream.Stream, reader *query.Reader) *Trail {
	return &Trail{js: js, stream: stream, reader: reader}
}

// Add stores an entry behind the last one, and returns its place. Processes that add entries at once can't fork the chain:
// the stream takes an entry only if none has come since the one whose hash it holds, and who lost reads that one and
// tries again.
func (t *Trail) Add(ctx context.Context, e Entry) (uint64, error) {
	t.chain.mu.Lock()
	defer t.chain.mu.Unlock()
	for range maxChainTries {
		e.Previous = t.chain.hash
		data, err := json.Marshal(&e)
		if err != nil {
			return 0, fmt.Errorf("encoding an audit entry: %w", err)
		}
		ack, err := t.js.PublishMsg(ctx, &nats.Msg{Subject: topology.AuditPrefix + e.Action, Data: data}, jetstream.WithExpectLastSequence(t.chain.seq))
		if err == nil {
			t.chain.seq, t.chain.hash = ack.Sequence, Hash(data)
			return ack.Sequence, nil
		}
		if api, ok := errors.AsType[*jetstream.APIError](err); !ok || api.ErrorCode != jetstream.JSErrCodeStreamWrongLastSequence {
			return 0, fmt.Errorf("storing an audit entry: %w", failure.Classify(err))
		}
		if err := t.readChainEnd(ctx); err != nil {
			return 0, fmt.Errorf("reading the last audit entry: %w", err)
		}
	}
	return 0, fmt.Errorf("storing an audit entry: %w", failure.ErrBusy)
}

// readChainEnd reads where the trail ends. Where retention has taken the last entry the chain begins anew.
func (t *Trail) readChainEnd(ctx context.Context) error {
	info, err := t.stream.Info(ctx)
	if err != nil {
		return failure.Classify(err)
	}
	last := info.State.LastSeq
	if info.State.Msgs == 0 {
		t.chain.seq, t.chain.hash = last, ""
		return nil
	}
	// By its leader: another replica may not have the newest yet.
	m, err := t.stream.GetMsg(ctx, last)
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		t.chain.seq, t.chain.hash = last, ""
	case err != nil:
		return failure.Classify(err)
	default:
		t.chain.seq, t.chain.hash = last, Hash(m.Data)
	}
	return nil
}

// Hash is how an entry is known to the one behind it: of its bytes as they are stored.
func Hash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// EntryOf decodes a stored audit entry.
func EntryOf(s *query.Stored) (e Entry, err error) {
	if err = json.Unmarshal(s.Data, &e); err != nil {
		err = errors.New("not an audit entry")
	}
	return e, err
}

// Report is what a walk along the audit trail found.
type Report struct {
	Entries uint64 `json:"entries" doc:"how many entries fit" example:"42"`
	First   uint64 `json:"first" doc:"place of the first entry that is kept" example:"1"`
	Last    uint64 `json:"last" doc:"place of the last entry that fits" example:"42"`
	Hash    string `json:"hash" doc:"SHA-256 of that entry; keep it elsewhere to notice that the end of the trail was replaced" example:"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"`
	Break   string `json:"break,omitempty" doc:"the first break of the chain; absent: there is none" example:"the entries from place 7 to 9 were removed"`
}

// Verify walks along the chain from the first entry that is kept, whose predecessor retention has taken, and stops
// at the first break.
func (t *Trail) Verify(ctx context.Context) (r Report, err error) {
	info, err := t.stream.Info(ctx)
	if err != nil {
		return r, fmt.Errorf("asking for stream %s: %w", topology.StreamAudit, failure.Classify(err))
	}
	for from := uint64(1); from != 0; {
		var page []query.Stored
		if page, from, err = t.reader.Forward(ctx, query.Audit(), from, 500); err != nil {
			return r, fmt.Errorf("reading the audit trail: %w", err)
		}
		for i := range page {
			if r.Break = r.next(&page[i]); r.Break != "" {
				return r, nil
			}
		}
	}
	// Entries that were added meanwhile are no break, and neither are those that retention took.
	if end := info.State.LastSeq; info.State.Msgs > 0 && r.Last < end {
		r.Break = "the entries from place " + placeText(r.Last+1) + " to " + placeText(end) + " can't be read or were removed"
	}
	return r, nil
}

// next goes on to an entry, and says what is wrong with it.
func (r *Report) next(s *query.Stored) string {
	e, err := EntryOf(s)
	switch {
	case err != nil:
		return "the entry at place " + placeText(s.Seq) + " can't be read"
	case r.Entries == 0:
		r.First = s.Seq
	case s.Seq != r.Last+1:
		return "the entries from place " + placeText(r.Last+1) + " to " + placeText(s.Seq-1) + " were removed"
	case e.Previous != r.Hash:
		return "the entry at place " + placeText(s.Seq) + " does not hold the hash of the one before it: one of the two was changed"
	}
	r.Entries, r.Last, r.Hash = r.Entries+1, s.Seq, Hash(s.Data)
	return ""
}

func placeText(seq uint64) string { return strconv.FormatUint(seq, 10) }
