package delivery

import (
	"context"

	"jethook/publish/query"
	"jethook/publish/topology"
)

// OnItsWay returns a delivery that waits, or that came due and is being attempted. ErrNotFound: it is neither.
func (f *Finder) OnItsWay(ctx context.Context, id string) (d Delivery, due bool, err error) {
	s, err := f.reader.Last(ctx, topology.StreamDeliveries, anywhere(id))
	if err != nil {
		return Delivery{}, false, err
	}
	d, err = Of(&s)
	return d, s.Subject != topology.RetryPrefix+id, err
}

// Waiting returns the schedule of a delivery, or ErrNotFound when it waits for nothing.
func (f *Finder) Waiting(ctx context.Context, id string) (Delivery, error) {
	return f.lastDelivery(ctx, topology.StreamDeliveries, topology.RetryPrefix+id)
}

// Dead returns the dead letter of a delivery, or ErrNotFound when it is not dead.
func (f *Finder) Dead(ctx context.Context, id string) (Delivery, error) {
	return f.lastDelivery(ctx, topology.StreamDead, topology.DeadPrefix+id)
}

func (f *Finder) lastDelivery(ctx context.Context, stream, subject string) (Delivery, error) {
	s, err := f.reader.Last(ctx, stream, subject)
	if err != nil {
		return Delivery{}, err
	}
	return Of(&s)
}

// Of decodes a stored delivery, waiting or dead.
func Of(s *query.Stored) (Delivery, error) {
	d, err := ParseDelivery(s.Header, s.Data, s.Seq)
	d.seq, d.Since = s.Seq, s.Time
	return d, err
}
