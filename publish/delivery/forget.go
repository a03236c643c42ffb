package delivery

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"jethook/publish/failure"
	"jethook/publish/query"
	"jethook/publish/removal"
	"jethook/publish/topology"
)

// deathOf is the removal of a dead letter as it was read.
func deathOf(d *Delivery) removal.Removal {
	return removal.Removal{Seq: d.seq, At: d.Since.UnixNano(), Subject: topology.DeadPrefix + d.ID()}
}

// FinishForgetting forgets once more the endpoints that were removed: their bucket keeps a mark of each, for ever.
func (s *Store) FinishForgetting(ctx context.Context) error {
	w, err := s.p.Endpoints.WatchAll(ctx, jetstream.MetaOnly())
	if err != nil {
		return fmt.Errorf("reading bucket %s: %w", topology.BucketEndpoints, failure.Classify(err))
	}
	defer w.Stop()
	for {
		select {
		case entry, ok := <-w.Updates():
			if !ok {
				return fmt.Errorf("%w: reading bucket %s ended", failure.ErrUnavailable, topology.BucketEndpoints)
			}
			if entry == nil { // the end of what is there
				return nil
			}
			if entry.Operation() == jetstream.KeyValuePut {
				continue
			}
			if err := s.forgetIfThere(ctx, entry.Key()); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *Store) forgetIfThere(ctx context.Context, endpoint string) error {
	for _, sel := range []query.Selection{query.Waiting(endpoint), query.Due(endpoint), query.Turns(endpoint), query.Dead(endpoint)} {
		switch seq, err := s.p.Reader.Place(ctx, sel, query.Question{Seq: 1, Subject: sel.Subject}); {
		case err != nil:
			return err
		case seq > 0:
			s.p.Log.Info("deliveries of a removed endpoint reappeared; removed them again", "endpoint", endpoint)
			return s.Forget(ctx, endpoint)
		}
	}
	return nil
}

// Forget removes all that waits for an endpoint and its dead letters, and where it stood in the streams if it lagged, also
// when that can't be read: the endpoint is no more.
func (s *Store) Forget(ctx context.Context, endpoint string) error {
	for _, f := range []struct{ stream, subject string }{
		{topology.StreamDeliveries, topology.RetryPrefix + endpoint + ".>"},
		{topology.StreamDeliveries, topology.DuePrefix + endpoint + ".>"},
		{topology.StreamDeliveries, topology.TurnPrefix + endpoint + ".>"},
		{topology.StreamDead, topology.DeadPrefix + endpoint + ".>"},
	} {
		if err := s.p.Streams[f.stream].Purge(ctx, jetstream.WithPurgeSubject(f.subject)); err != nil {
			return fmt.Errorf("purging %s: %w", f.subject, failure.Classify(err))
		}
	}
	for _, stream := range topology.EventStreams {
		if err := s.forgetCursor(ctx, stream, endpoint); err != nil {
			return err
		}
	}
	return nil
}

// forgetCursor removes an endpoint's record in the cursors' bucket, and then its consumers, if there is a record.
func (s *Store) forgetCursor(ctx context.Context, stream, endpoint string) error {
	key := endpoint + "." + stream
	_, err := s.p.Consumers.Records().Get(ctx, key)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return nil
	}
	if err == nil {
		err = s.p.Consumers.Records().Delete(ctx, key)
	}
	if err != nil {
		return fmt.Errorf("removing the cursor %s: %w", key, failure.Classify(err))
	}
	all, err := s.p.Consumers.Ordered(ctx, stream) // the record may be one that can't be read
	for _, own := range all {
		if err == nil && own.Endpoint == endpoint {
			err = s.p.Consumers.Drop(ctx, own)
		}
	}
	return err
}
