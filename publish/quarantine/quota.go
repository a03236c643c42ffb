package quarantine

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"jethook/publish/failure"
	"jethook/publish/topology"
)

// The stream of rejected requests drops its oldest message when it is full, whoever sent it. So that a flood at one source
// does not push out another's, each has a quota of stored bytes, and makes room for itself among its own. The server
// keeps no sum for each subject: a process adds up what it writes, and when that is a part of the quota it counts what
// is there, others' included, and purges what is too much.
const (
	// quotaUse is the part of the stream that the quotas are of, in percent. The rest is for what other processes write
	// between two counts.
	quotaUse = 75
	// quotaKept of quotaParts is left of a quota after a count, and quotaCount of them are written until the next one. What
	// would be written beyond the quota meanwhile is not kept.
	quotaParts = 8
	quotaKept  = 6
	quotaCount = 1

	quotaTimeout = 30 * time.Second
)

// quotas hold each source to its part of a stream.
type quotas struct {
	most int64 // stored bytes of one source
	// shorten removes the oldest messages of a subject until no more than most bytes are left.
	shorten func(ctx context.Context, subject string, most int64) error
	failed  func(subject string, err error)

	ctx     context.Context
	stop    context.CancelFunc
	running sync.WaitGroup

	mu       sync.Mutex // guards what follows
	subjects map[string]*quota
}

// quota is what this process has written on one subject, in bytes since it started.
type quota struct {
	reserved int64 // handed over to be stored
	settled  int64 // of these, stored, or known not to be
	counted  int64 // of these, seen by the last count
	known    bool  // there was a count
	counting bool
}

func newQuotas(most int64, shorten func(context.Context, string, int64) error, failed func(string, error)) *quotas {
	ctx, stop := context.WithCancel(context.Background())
	return &quotas{most: most, shorten: shorten, failed: failed, ctx: ctx, stop: stop, subjects: make(map[string]*quota)}
}

// reserve takes n bytes for a message on the subject, and reports false if they are more than it may write before it has
// made room. Settle must be called once the message is stored, or is known not to be.
func (q *quotas) reserve(subject string, n int64) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.subjects[subject]
	if s == nil {
		s = &quota{}
		q.subjects[subject] = s
	}
	unseen := s.reserved - s.counted
	fits := unseen+n <= q.most*(quotaParts-quotaKept)/quotaParts
	if fits {
		s.reserved += n
	}
	if due := !s.known || !fits || unseen+n > q.most*quotaCount/quotaParts; due && !s.counting && q.ctx.Err() == nil {
		s.counting = true
		q.running.Go(func() { q.count(subject, s) })
	}
	return fits
}

func (q *quotas) settle(subject string, n int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.subjects[subject].settled += n
}

// count makes room on a subject. What was settled when it began is seen by it.
func (q *quotas) count(subject string, s *quota) {
	q.mu.Lock()
	seen := s.settled
	q.mu.Unlock()
	ctx, cancel := context.WithTimeout(q.ctx, quotaTimeout)
	defer cancel()
	err := q.shorten(ctx, subject, q.most*quotaKept/quotaParts)
	if err != nil && q.ctx.Err() == nil {
		q.failed(subject, err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	s.counting = false
	if err == nil {
		s.counted, s.known = seen, true
	}
}

// close returns when nothing is counted any more.
func (q *quotas) close() {
	q.stop()
	q.running.Wait()
}

// recordSize is about what the server writes beside subject, header and body of a message.
const recordSize = 64

// storedSize is about what a rejected request takes in its stream.
func storedSize(subject, about string, body int) int64 {
	return int64(recordSize + len(subject) + len(headerRequest) + len(about) + body)
}

// shortenRejected removes the oldest rejected requests on a subject until no more than most bytes are left. It reads
// them without their bodies.
func (s *Store) shortenRejected(ctx context.Context, subject string, most int64) error {
	info, err := s.reader.Stream(topology.StreamRejected).Info(ctx, jetstream.WithSubjectFilter(subject))
	if err != nil {
		return fmt.Errorf("counting %s: %w", subject, failure.Classify(err))
	}
	left := info.State.Subjects[subject]
	if left == 0 {
		return nil
	}
	c, err := s.reader.Stream(topology.StreamRejected).OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{FilterSubjects: []string{subject}, HeadersOnly: true})
	if err != nil {
		return fmt.Errorf("counting %s: %w", subject, failure.Classify(err))
	}
	messages, err := c.Messages()
	if err != nil {
		return fmt.Errorf("counting %s: %w", subject, failure.Classify(err))
	}
	defer messages.Stop()
	var (
		seqs  []uint64
		sizes []int64
		total int64
	)
	for ; left > 0; left-- {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return fmt.Errorf("counting %s: %w", subject, failure.Classify(err))
		}
		meta, err := m.Metadata()
		if err != nil {
			return fmt.Errorf("counting %s: %w", subject, err)
		}
		body, _ := strconv.Atoi(m.Headers().Get(nats.MsgSize)) // written by the server
		seqs, sizes = append(seqs, meta.Sequence.Stream), append(sizes, storedSize(subject, m.Headers().Get(headerRequest), body))
		total += sizes[len(sizes)-1]
		if meta.NumPending == 0 { // some were removed meanwhile
			break
		}
	}
	first := 0
	for ; first < len(seqs)-1 && total > most; first++ { // the newest stays
		total -= sizes[first]
	}
	if first == 0 {
		return nil
	}
	err = s.stream.Purge(ctx, jetstream.WithPurgeSubject(subject), jetstream.WithPurgeSequence(seqs[first]))
	if err != nil {
		return fmt.Errorf("making room on %s: %w", subject, failure.Classify(err))
	}
	return nil
}
