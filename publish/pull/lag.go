package pull

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/tidwall/gjson"

	"jethook/publish/failure"
	"jethook/publish/jsontext"
	"jethook/publish/query"
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
func (s *Set) Lag(ctx context.Context, own Own) (lag Lag, err error) {
	err = s.Lags(ctx, []Own{own}, func(_ int, l Lag) { lag = l })
	return lag, err
}

// Lags is Lag for many consumers, without waiting for one answer before the next question. It tells each with its place in
// all, from this goroutine.
func (s *Set) Lags(ctx context.Context, all []Own, tell func(i int, lag Lag)) error {
	selections := make([]query.Selection, len(all))
	for i, own := range all {
		selections[i] = query.Selection{Stream: own.Stream, Subject: own.name()}
	}
	return s.reader.AskEach(ctx, selections, func(sel query.Selection) (string, any) {
		return "CONSUMER.INFO." + sel.Stream + "." + sel.Subject, struct{}{}
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
func (s *Set) CountFrom(ctx context.Context, stream string, patterns []string, from uint64) (uint64, error) {
	cfg := jetstream.ConsumerConfig{DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: max(from, 1)}
	if cfg.FilterSubjects = topology.Filters(stream, patterns); len(cfg.FilterSubjects) == 0 {
		return 0, nil
	}
	c, err := s.OpenReader(ctx, stream, cfg)
	if err != nil {
		return 0, err
	}
	defer s.DropReader(ctx, stream, c)
	return c.CachedInfo().NumPending, nil
}
