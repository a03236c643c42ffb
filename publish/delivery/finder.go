package delivery

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"jethook/publish/connection"
	"jethook/publish/failure"
	"jethook/publish/query"
	"jethook/publish/topology"
)

// Trace is what is stored of one delivery, by when that was; zero: there is none.
type Trace struct {
	Scheduled time.Time // it waits
	Due       time.Time // it came due, or its turn came, and it is being attempted
	Dead      time.Time // its dead letter

	due uint64 // sequence of what came due
}

// DueAfter reports whether a message of the delivery came due behind a place in DELIVERIES.
func (t *Trace) DueAfter(seq uint64) bool { return t.due > seq }

// Place is the sequence of the message that the delivery was read from.
func (d *Delivery) Place() uint64 { return d.seq }

// Finder finds out where a delivery is.
type Finder struct {
	reads   *connection.Conn
	reader  *query.Reader
	streams map[string]jetstream.Stream
}

// NewFinder returns one.
func NewFinder(reads *connection.Conn, reader *query.Reader, streams map[string]jetstream.Stream) *Finder {
	return &Finder{reads: reads, reader: reader, streams: streams}
}

// Trace looks for what is stored of a delivery under any of its ids, wherever it moves meanwhile.
func (f *Finder) Trace(ctx context.Context, ids ...string) (t Trace, err error) {
	var letters []string
	for _, id := range ids {
		letters = append(letters, topology.DeadPrefix+id)
	}
	if t, err = f.moving(ctx, ids...); err != nil {
		return t, err
	}
	dead, err := query.Fetch(ctx, f.reads, query.Selection{Stream: topology.StreamDead}, query.Question{Newest: letters})
	if err != nil {
		return t, err
	}
	for i := range dead.Msgs {
		t.add(&dead.Msgs[i])
	}
	if t == (Trace{}) { // its dead letter may have been replayed between the two
		return f.moving(ctx, ids...)
	}
	return t, nil
}

// Traces is Trace for several deliveries, of which at most 256 are looked for together.
func (f *Finder) Traces(ctx context.Context, ids []string) (map[string]*Trace, error) {
	found := make(map[string]*Trace, len(ids))
	var moves, letters []string
	for _, id := range ids {
		found[id] = &Trace{}
		moves = append(moves, topology.RetryPrefix+id, topology.DuePrefix+id, topology.TurnPrefix+id)
		letters = append(letters, topology.DeadPrefix+id)
	}
	for _, at := range []struct {
		stream   string
		subjects []string
	}{{topology.StreamDeliveries, moves}, {topology.StreamDead, letters}} { // in the order in which a delivery moves
		got, err := query.Fetch(ctx, f.reads, query.Selection{Stream: at.stream}, query.Question{Newest: at.subjects})
		if err != nil {
			return nil, err
		}
		for i := range got.Msgs {
			if t := found[idOn(got.Msgs[i].Subject)]; t != nil {
				t.add(&got.Msgs[i])
			}
		}
	}
	return found, nil
}

// idOn is the id of the delivery in a subject "jethook.<state>.<id>".
func idOn(subject string) string {
	parts := strings.SplitN(subject, ".", 3)
	return parts[len(parts)-1]
}

// add notes a message of the delivery.
func (t *Trace) add(m *query.Stored) {
	switch {
	case strings.HasPrefix(m.Subject, topology.RetryPrefix):
		t.Scheduled = later(t.Scheduled, m.Time)
	case strings.HasPrefix(m.Subject, topology.DeadPrefix):
		t.Dead = later(t.Dead, m.Time)
	default:
		t.Due, t.due = later(t.Due, m.Time), max(t.due, m.Seq)
	}
}

// moving is the part of a trace that lies in DELIVERIES. One question is for all: the server answers it as of one moment.
func (f *Finder) moving(ctx context.Context, ids ...string) (t Trace, err error) {
	var moves []string
	for _, id := range ids {
		moves = append(moves, topology.RetryPrefix+id, topology.DuePrefix+id, topology.TurnPrefix+id)
	}
	got, err := query.Fetch(ctx, f.reads, query.Selection{Stream: topology.StreamDeliveries}, query.Question{Newest: moves})
	if err != nil {
		return t, err
	}
	for i := range got.Msgs {
		t.add(&got.Msgs[i])
	}
	return t, nil
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// FullID returns the id of a delivery that was asked for without its place: of those that wait, are being attempted, or are
// dead, the one that was stored last. Where there is none, and of an id with a place, it returns id itself.
func (f *Finder) FullID(ctx context.Context, id string) (string, error) {
	if HasPlace(id) || strings.ContainsAny(id, "*> \t\r\n") {
		return id, nil
	}
	newest := query.Stored{Subject: topology.DeadPrefix + id}
	for _, places := range []struct{ stream, prefix string }{{topology.StreamDeliveries, "jethook.*."}, {topology.StreamDead, topology.DeadPrefix}} {
		subject := places.prefix + id
		got, err := query.Fetch(ctx, f.reads, query.Selection{Stream: places.stream}, query.Question{Newest: []string{subject, subject + ".*"}})
		if err != nil {
			return "", fmt.Errorf("looking for %s: %w", id, err)
		}
		for _, m := range got.Msgs {
			if m.Time.After(newest.Time) {
				newest = m
			}
		}
	}
	return idOn(newest.Subject), nil
}

// OnRecord names the deliveries to an endpoint that wait, are being attempted, or are dead, with of how many of these each is.
func (f *Finder) OnRecord(ctx context.Context, endpoint string) (map[string]int, error) {
	ids := make(map[string]int)
	for _, at := range []struct{ stream, filter string }{
		{topology.StreamDeliveries, "jethook.*." + endpoint + ".>"}, {topology.StreamDead, topology.DeadPrefix + endpoint + ".>"},
	} {
		info, err := f.reader.Stream(at.stream).Info(ctx, jetstream.WithSubjectFilter(at.filter))
		if err != nil {
			return nil, fmt.Errorf("looking for %s: %w", at.filter, failure.Classify(err))
		}
		for subject := range info.State.Subjects {
			ids[idOn(subject)]++
		}
	}
	return ids, nil
}
