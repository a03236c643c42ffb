package quarantine

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"jethook/publish/failure"
	"jethook/publish/groupcommit"
	"jethook/publish/query"
	"jethook/publish/removal"
	"jethook/publish/topology"
)

const (
	headerRequest = "Jethook-Request"

	// rejectedBeginning is how much is kept of a body that is too much.
	rejectedBeginning = 4 << 10
)

// Request is a request that did not verify, or whose body could not be taken, as it came.
type Request struct {
	Seq      uint64      `json:"-"` // its place in the stream; read only
	Source   string      `json:"-"`
	Reason   string      `json:"reason"` // one word
	Received time.Time   `json:"received"`
	Method   string      `json:"method"`
	Query    string      `json:"query,omitempty"` // of the URL, as it came
	Remote   string      `json:"remote,omitempty"`
	Header   http.Header `json:"header"`
	// Credentials are the names of those of Header that hold the sender's credential, which must not be shown.
	Credentials []string `json:"credentials,omitempty"`

	Size int `json:"size"` // of the body in bytes, also when it was not kept
	// NoBody means that Body is only the beginning, and Sum the SHA-256 of the whole in hex.
	NoBody bool   `json:"no_body,omitempty"`
	Sum    string `json:"sha256,omitempty"`
	// AsSent means that Body has the encoding that its Content-Encoding says. Earlier versions kept it decoded.
	AsSent bool   `json:"as_sent,omitempty"`
	Body   []byte `json:"-"`
}

// Cut leaves of the body its beginning and its hash. It can't be verified again then.
func (r *Request) Cut() {
	if r.NoBody {
		return
	}
	sum := sha256.Sum256(r.Body)
	r.Sum, r.NoBody = hex.EncodeToString(sum[:]), true
	r.Body = bytes.Clone(r.Body[:min(len(r.Body), rejectedBeginning)]) // a slice would keep the whole
}

// ErrQuota means that a source has used up what may be kept of it for now.
var ErrQuota = errors.New("too many rejected requests of the source")

// Store keeps rejected requests.
type Store struct {
	rejected *groupcommit.Committer
	reader   *query.Reader
	stream   jetstream.Stream
	quotas   *quotas
	fits     int64 // how large a body in a message may be
	removal  *removal.Remover
	log      *slog.Logger
}

// New returns one for so many sources. Close must be called.
func New(c *groupcommit.Committer, reader *query.Reader, stream jetstream.Stream, fits int64, sources int, removal *removal.Remover, log *slog.Logger) *Store {
	s := &Store{rejected: c, reader: reader, stream: stream, fits: fits, removal: removal, log: log}
	s.quotas = newRejectedQuotas(stream, sources, s)
	return s
}

// Close returns when nothing is counted any more.
func (s *Store) Close() { s.quotas.close() }

// Reject keeps r for an operator to look at, cut if its body is too much for its source's quota. It does not wait; what
// can't be kept is dropped, and done is told why. It takes r over.
func (s *Store) Reject(r *Request, done func(error)) {
	subject := topology.RejectedPrefix + r.Source
	if int64(len(r.Body)) > s.fits { // only what is verified is stored aside
		r.Cut()
	}
	for {
		about, err := json.Marshal(r)
		if err != nil {
			done(fmt.Errorf("encoding a rejected request: %w", err))
			return
		}
		size := storedSize(subject, string(about), len(r.Body))
		if s.quotas.reserve(subject, size) {
			s.rejected.Enqueue(&nats.Msg{
				Subject: subject, Header: nats.Header{headerRequest: {string(about)}}, Data: r.Body,
			}, func(_ groupcommit.Receipt, err error) {
				s.quotas.settle(subject, size)
				done(err)
			})
			return
		}
		if r.NoBody || len(r.Body) <= rejectedBeginning {
			done(ErrQuota)
			return
		}
		r.Cut()
	}
}

// newRejectedQuotas returns the shares of the configured sources.
func newRejectedQuotas(stream jetstream.Stream, sources int, s *Store) *quotas {
	most := stream.CachedInfo().Config.MaxBytes
	if most <= 0 { // an operator's stream has no limit
		most = math.MaxInt64 / 100
	}
	return newQuotas(most*quotaUse/100/int64(max(1, sources)), s.shortenRejected, func(subject string, err error) {
		s.log.Debug("cannot remove old rejected requests", "subject", subject, "error", err)
	})
}

// RequestOf decodes a stored rejected request.
func RequestOf(s *query.Stored) (Request, error) {
	r := Request{Seq: s.Seq, Body: s.Data}
	if err := json.Unmarshal([]byte(s.Header.Get(headerRequest)), &r); err != nil {
		return r, errors.New("not a rejected request")
	}
	r.Source = s.Subject[min(len(topology.RejectedPrefix), len(s.Subject)):]
	return r, nil
}

// Get returns a rejected request with its body, or ErrNotFound.
func (s *Store) Get(ctx context.Context, seq uint64) (Request, error) {
	m, err := s.reader.Stream(topology.StreamRejected).GetMsg(ctx, seq)
	if errors.Is(err, jetstream.ErrMsgNotFound) || query.IsUnreadable(err) {
		return Request{}, failure.ErrNotFound
	}
	if err != nil {
		return Request{}, fmt.Errorf("reading a rejected request: %w", failure.Classify(err))
	}
	found := query.Stored{Subject: m.Subject, Seq: m.Sequence, Time: m.Time, Header: m.Header, Data: m.Data}
	return RequestOf(&found)
}

// Drop removes a rejected request for good. One that is not there is no error.
func (s *Store) Drop(ctx context.Context, seq uint64) error {
	if err := s.removal.RemoveIfThere(ctx, topology.StreamRejected, seq); err != nil {
		return fmt.Errorf("removing a rejected request: %w", err)
	}
	return nil
}
