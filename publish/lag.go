package publish

import (
	"context"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/tidwall/gjson"

	"jethook/publish/failure"
	"jethook/publish/jsontext"
	"jethook/publish/topology"
)

// Lag is how far a consumer of a stream of events is.
type Lag struct {
	Behind   uint64 // events that it has not handed out
	Unacked  int    // those that it has handed out, and that have no outcome yet
	Taken    uint64 // the sequence up to which it has handed them out
	Settled  uint64 // the sequence up to which each has an outcome
	NotThere bool   // there is no such consumer
}

// Lag tells how far a consumer is.
func (b *Bus) Lag(ctx context.Context, own Own) (lag Lag, err error) {
	err = b.Lags(ctx, []Own{own}, func(_ int, l Lag) { lag = l })
	return lag, err
}

// Lags is Lag for many consumers, without waiting for one answer before the next question. It tells each with its place in
// all, from this goroutine.
func (b *Bus) Lags(ctx context.Context, all []Own, tell func(i int, lag Lag)) error {
	shelves := make([]Shelf, len(all))
	for i, own := range all {
		shelves[i] = Shelf{stream: own.Stream, subject: own.name()}
	}
	return b.askEach(ctx, shelves, func(sh Shelf) (string, any) {
		return "$JS.API.CONSUMER.INFO." + sh.stream + "." + sh.subject, struct{}{}
	}, func(i int, m *nats.Msg) (bool, error) {
		if !jsontext.Valid(m.Data) {
			return false, fmt.Errorf("%w: the answer about consumer %s can't be read", failure.ErrUnavailable, all[i])
		}
		info := gjson.ParseBytes(m.Data)
		switch fault := info.Get("error"); {
		case fault.Get("err_code").Uint() == uint64(jetstream.JSErrCodeConsumerNotFound):
			tell(i, Lag{NotThere: true})
			return true, nil
		case fault.Exists():
			return false, fmt.Errorf("%w: %s", failure.ErrUnavailable, fault.Get("description").Str)
		}
		lag := Lag{
			Behind: info.Get("num_pending").Uint(), Unacked: int(info.Get("num_ack_pending").Int()),
			Taken: info.Get("delivered.stream_seq").Uint(), Settled: info.Get("ack_floor.stream_seq").Uint(),
		}
		if lag.Unacked == 0 { // the floor stays behind what the filters pass over
			lag.Settled = lag.Taken
		}
		tell(i, lag)
		return true, nil
	})
}

// CountFrom counts the events of a stream from a sequence on that match patterns.
func (b *Bus) CountFrom(ctx context.Context, stream string, patterns []string, from uint64) (uint64, error) {
	cfg := jetstream.ConsumerConfig{DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: max(from, 1)}
	if cfg.FilterSubjects = OrderedFilters(stream, patterns); len(cfg.FilterSubjects) == 0 {
		return 0, nil
	}
	c, err := b.reader(ctx, stream, cfg)
	if err != nil {
		return 0, err
	}
	defer b.dropReader(ctx, stream, c)
	return c.CachedInfo().NumPending, nil
}

// CursorShelf lists the records of endpoints that don't keep up. A watch would pass over one that changes meanwhile.
func CursorShelf() Shelf {
	return Shelf{stream: "KV_" + topology.BucketCursors, subject: cursorSubjects + ">", whole: true}
}

// cursorSubjects is where that bucket keeps them.
const cursorSubjects = "$KV." + topology.BucketCursors + "."

// CursorKey is the key of an entry of that shelf; false for a removed one.
func (s *Stored) CursorKey() (string, bool) {
	return strings.TrimPrefix(s.Subject, cursorSubjects), s.Header.Get("KV-Operation") == ""
}
