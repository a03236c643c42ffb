package backup

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"jethook/publish/connection"
	"jethook/publish/failure"
	"jethook/publish/stores"
	"jethook/publish/topology"
)

// Options are for a backup or a restore.
type Options struct {
	Version  string                             // of Jethook
	Progress func(format string, values ...any) // is told what is done; it must not be nil
	// Move is the id of the move that this is a part of; empty: of none. The restored WEBHOOKS has it in its metadata, and the
	// backup goes through a pipe without a buffer.
	Move string
}

const (
	bucketPrefix  = "KV_"
	consumersPart = "consumers.json"
	streamPart    = "/stream.json"
	snapshotPart  = "/snapshot"
	laterPart     = "/later.json"
	pausePart     = "/pause"
	streamEvents  = topology.StreamEvents
)

// The order in which streams are read: see the package's comment.
var (
	first  = []string{bucketPrefix + topology.BucketEndpoints, bucketPrefix + topology.BucketSources, bucketPrefix + topology.BucketRequests, bucketPrefix + topology.BucketRecoveries, bucketPrefix + topology.BucketRemoved}
	cursor = bucketPrefix + topology.BucketCursors
	events = []string{topology.StreamWebhooks, streamEvents, topology.StreamOps}
	moving = []string{topology.StreamDeliveries, topology.StreamDead}
	last   = []string{topology.StreamHistory, topology.StreamRejected, topology.StreamAudit, "OBJ_" + topology.BucketBodies}
)

// Streams are all that a backup holds, in its order.
func Streams() []string {
	var all []string
	for _, some := range [][]string{first, {cursor}, events, moving, last} {
		all = append(all, some...)
	}
	return all
}

// backup is one that is being written.
type backup struct {
	Options
	nc   *nats.Conn
	api  func(request string) string
	js   jetstream.JetStream
	out  *writer
	have map[string]bool
	m    Manifest
	ends map[string]uint64 // up to where each stream was read
}

// Write writes a backup of all that lies on a store to w.
func Write(ctx context.Context, s *stores.Store, w io.Writer, o Options) (*Manifest, error) {
	js, err := connection.JetStream(s.Conn, s.Domain)
	if err != nil {
		return nil, err
	}
	b := &backup{Options: o, nc: s.Conn, api: s.API, js: js, out: newWriter(w), have: make(map[string]bool), ends: make(map[string]uint64)}
	b.m = Manifest{Format: format, Jethook: o.Version, Server: s.Conn.ConnectedServerVersion(), Began: time.Now().UTC()}
	names := js.StreamNames(ctx)
	for name := range names.Name() {
		b.have[name] = true
	}
	if err := names.Err(); err != nil {
		return nil, fmt.Errorf("listing the streams: %w", err)
	}
	if !b.have[topology.StreamWebhooks] {
		return nil, fmt.Errorf("there is nothing to back up: %w", stores.ErrNoStore)
	}
	if err := b.out.put(infoPart, b.m); err != nil {
		return nil, err
	}
	for _, step := range []func(context.Context) error{
		func(ctx context.Context) error { return b.followed(ctx, first) },
		b.positions,
		func(ctx context.Context) error { return b.streams(ctx, events) },
		b.deliveries,
		func(ctx context.Context) error { return b.streams(ctx, last) },
	} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	b.m.Ends = b.ends
	return &b.m, b.out.end(&b.m)
}

// streams writes those of some streams that there are.
func (b *backup) streams(ctx context.Context, names []string) error {
	for _, name := range names {
		if !b.have[name] {
			continue
		}
		if err := b.stream(ctx, name, b.out); err != nil {
			return err
		}
	}
	return nil
}

// stream writes the snapshot of a stream, and reads it through as it passes.
func (b *backup) stream(ctx context.Context, name string, out *writer) error {
	s, err := openSnapshot(ctx, b.nc, b.api, name)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := out.put(name+streamPart, s.Stream); err != nil {
		return err
	}
	part := out.begin(name + snapshotPart)
	through := io.TeeReader(newTelling(s, func(bytes int64) { b.Progress("%s: %d bytes so far", strings.TrimPrefix(name, bucketPrefix), bytes) }), part)
	if s.Messages, err = count(through); err != nil {
		return fmt.Errorf("reading stream %s: %w", name, err)
	}
	if _, err := io.Copy(io.Discard, through); err != nil {
		return err
	}
	if err := part.Close(); err != nil {
		return err
	}
	if b.Move != "" {
		// It returns when the snapshot is restored: the server cuts off the next one if nobody reads it for 5 s.
		if err := out.put(name+pausePart, b.Move); err != nil {
			return err
		}
	}
	var state struct {
		Last uint64 `json:"last_seq"`
	}
	if err := json.Unmarshal(s.State, &state); err != nil {
		return err
	}
	b.ends[name] = state.Last
	b.m.Streams = append(b.m.Streams, s.Stream)
	b.Progress("%s: %d messages, %d bytes", strings.TrimPrefix(name, bucketPrefix), s.Messages, part.part.Bytes)
	return nil
}

// followed writes streams, and in rounds what was stored in them meanwhile.
func (b *backup) followed(ctx context.Context, names []string) error {
	if err := b.streams(ctx, names); err != nil {
		return err
	}
	return b.rounds(ctx, names)
}

// isNotFound reports whether an error says that there is no such stream or consumer.
func isNotFound(err error) bool {
	return errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, jetstream.ErrConsumerNotFound)
}

// pauseTime is for how long the consumer of due deliveries is paused at a time.
const pauseTime = 20 * time.Second

// deliveries writes what waits and what is dead, while nobody takes what comes due.
func (b *backup) deliveries(ctx context.Context) (err error) {
	held, hold := context.WithCancel(ctx)
	defer hold()
	for _, q := range []topology.Queue{topology.QueueDue, topology.QueueTurns} {
		resume, err := b.pause(held, q)
		if err != nil {
			return err
		}
		defer resume()
	}
	return b.followed(ctx, moving)
}

// pause keeps a consumer from handing messages out, if there is one, until resume is called, or this process ends and
// pauseTime has passed.
func (b *backup) pause(ctx context.Context, q topology.Queue) (resume func(), err error) {
	name := q.Name
	hold := func() error {
		_, err := b.js.PauseConsumer(ctx, q.Stream, name, time.Now().Add(pauseTime))
		return err
	}
	if err := hold(); isNotFound(err) {
		return func() {}, nil
	} else if err != nil {
		return nil, fmt.Errorf("pausing consumer %s of %s: %w", name, q.Stream, err)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-time.After(pauseTime / 4):
				if err := hold(); err != nil && ctx.Err() == nil {
					b.Progress("cannot keep consumer %s of %s paused: %v", name, q.Stream, err)
				}
			case <-stop:
				return
			}
		}
	}()
	return func() {
		close(stop)
		<-stopped
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), chunkTime)
		defer cancel()
		if _, err := b.js.ResumeConsumer(ctx, q.Stream, name); err != nil {
			b.Progress("consumer %s of %s resumes in %s: %v", name, q.Stream, pauseTime, err)
		}
	}, nil
}

// mostTries is how often the records of the cursors and the consumers are read, at most, until they agree.
const mostTries = 100

// positions writes the records of the cursors, and how far each consumer of the events' streams is, of one moment.
func (b *backup) positions(ctx context.Context) error {
	for range mostTries {
		var records bytes.Buffer
		of := newWriter(&records)
		if b.have[cursor] {
			before := len(b.m.Streams)
			if err := b.stream(ctx, cursor, of); err != nil {
				return err
			}
			b.m.Streams = b.m.Streams[:before]
		}
		consumers, err := b.consumers(ctx)
		if err != nil {
			return err
		}
		if !b.have[cursor] {
			return b.out.put(consumersPart, consumers)
		}
		s, err := b.js.Stream(ctx, cursor)
		if err != nil {
			return fmt.Errorf("reading the cursors: %w", err)
		}
		if s.CachedInfo().State.LastSeq != b.ends[cursor] {
			continue
		}
		if err := b.out.put(consumersPart, consumers); err != nil {
			return err
		}
		return b.adopt(&records, of)
	}
	return fmt.Errorf("%w: the endpoints' cursors change too fast", failure.ErrBusy)
}

// adopt writes the parts of another archive.
func (b *backup) adopt(records *bytes.Buffer, of *writer) error {
	if err := of.tar.Close(); err != nil {
		return err
	}
	in, err := newReader(records)
	if err != nil {
		return err
	}
	for range of.parts {
		p, err := in.next()
		if err != nil {
			return err
		}
		out := b.out.begin(p.part.Name)
		if _, err := io.Copy(out, p); err != nil {
			return err
		}
		if err := out.Close(); err != nil {
			return err
		}
	}
	return nil
}

// consumers returns the consumers of the events' streams.
func (b *backup) consumers(ctx context.Context) (map[string][]consumer, error) {
	all := make(map[string][]consumer)
	for _, name := range events {
		if !b.have[name] {
			continue
		}
		s, err := openSnapshot(ctx, b.nc, b.api, name)
		if err != nil {
			return nil, err
		}
		c, err := openContents(s)
		s.Close()
		if err != nil {
			return nil, fmt.Errorf("reading the consumers of %s: %w", name, err)
		}
		all[name] = c.consumers
	}
	return all, nil
}
