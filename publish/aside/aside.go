package aside

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"jethook/config"
	"jethook/publish/connection"
	"jethook/publish/event"
	"jethook/publish/failure"
	"jethook/publish/groupcommit"
	"jethook/publish/query"
	"jethook/publish/topology"
)

// The body of a webhook that fits into no message is stored aside, in an object store, and its event refers to it by
// headers. The body comes first: an event never refers to what was not stored. One whose event was not stored, since the
// process was killed in between, goes with the bucket's age.
//
// Deliveries of such an event, and its dead letters, have the same reference.

const (
	metaPrefix  = "$O." + topology.BucketBodies + ".M."
	chunkPrefix = "$O." + topology.BucketBodies + ".C."
)

const (
	// asideTime is how long storing a body aside may take.
	asideTime = 2 * groupcommit.Timeout
	// chunkBytes is how large the parts are that a body is stored in: each may cost an fsync. fewestBytes is what every server takes.
	chunkBytes, fewestBytes = 512 << 10, 32 << 10
	// chunksRead is how many are read at once, at most: readBytes bounds them too.
	chunksRead = 256
)

// goneError says why there is no body. It is an ErrBodyGone.
type goneError string

func (e goneError) Error() string      { return string(e) }
func (goneError) Is(target error) bool { return target == failure.ErrBodyGone }

const (
	errObjectGone    = goneError("the body, which was stored aside, is not in the object store " + topology.BucketBodies + " any more")
	errObjectAltered = goneError("the body, which was stored aside, is not the one that came: its size or digest is another")
)

// Store keeps bodies that fit into no message.
type Store struct {
	back, reads *connection.Conn
	fits        int64 // how large a body in a message may be
	enabled     bool
	log         *slog.Logger
}

// New returns one that stores bodies of more than fits bytes, if it is enabled, and reads them in any case.
func New(back, reads *connection.Conn, fits int64, enabled bool, log *slog.Logger) *Store {
	return &Store{back: back, reads: reads, fits: fits, enabled: enabled, log: log}
}

// Lighten returns e, or, if its body fits into no message, a copy whose body it has stored aside.
func (s *Store) Lighten(ctx context.Context, e *event.Event) (*event.Event, error) {
	if e.Source == "" || !s.Overflows(len(e.Body)) {
		return e, nil
	}
	light := *e
	return &light, s.SetAside(ctx, &light)
}

// LightenAll does so for some events, in place. What it has stored of those that are not published ages out.
func (s *Store) LightenAll(ctx context.Context, events []*event.Event) (err error) {
	for i := 0; i < len(events) && err == nil; i++ {
		events[i], err = s.Lighten(ctx, events[i])
	}
	return err
}

// Overflows reports whether a body of so many bytes fits into no message and may be stored aside.
func (s *Store) Overflows(size int) bool { return s.enabled && int64(size) > s.fits }

// SetAside stores the body of e aside.
func (s *Store) SetAside(ctx context.Context, e *event.Event) error {
	ctx, cancel := context.WithTimeout(ctx, asideTime)
	defer cancel()
	store, err := s.back.JS.ObjectStore(ctx, topology.BucketBodies)
	if err != nil {
		return fmt.Errorf("opening object store %s: %w", topology.BucketBodies, failure.Classify(err))
	}
	name, sum := nuid.Next(), sha256.Sum256(e.Body)
	_, err = store.Put(ctx, jetstream.ObjectMeta{
		Name: name, Opts: &jetstream.ObjectMetaOptions{ChunkSize: uint32(max(fewestBytes, min(chunkBytes, s.fits)))},
	}, bytes.NewReader(e.Body))
	if err != nil {
		return fmt.Errorf("storing a body in the object store: %w", classifyStore(err))
	}
	e.Object, e.Digest, e.Away, e.Body = name, hex.EncodeToString(sum[:]), len(e.Body), nil
	return nil
}

// classifyStore names the class of an error of the object store, which may be a refusal.
func classifyStore(err error) error {
	if refused, ok := errors.AsType[*jetstream.APIError](err); ok {
		r := failure.Refusal{Code: refused.Code, ErrCode: int(refused.ErrorCode), Description: refused.Description}
		return r.Err()
	}
	return failure.Classify(err)
}

// DropAside removes the body that was stored aside for an event that is not: it was stored before, or refused. What can't
// be removed ages out.
func (s *Store) DropAside(ctx context.Context, e *event.Event) {
	if e.Object == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), groupcommit.Timeout)
	defer cancel()
	store, err := s.back.JS.ObjectStore(ctx, topology.BucketBodies)
	if err == nil {
		err = store.Delete(ctx, e.Object)
	}
	if err != nil {
		s.log.Debug("cannot remove a body from the object store; it expires later", "object", e.Object, "error", err)
	}
}

// Complete gives an event its body, if that is stored aside, through a connection.
func Complete(ctx context.Context, c *connection.Conn, e *event.Event) (err error) {
	if e.Object != "" && len(e.Body) == 0 {
		e.Body, err = Object(ctx, c, e)
	}
	return err
}

// Object reads the body of e that is stored aside, and never gives another one. It reads messages of the bucket and not by
// the client's object store, whose consumers services could remove.
func Object(ctx context.Context, c *connection.Conn, e *event.Event) ([]byte, error) {
	subject := metaPrefix + base64.URLEncoding.EncodeToString([]byte(e.Object))
	meta, err := query.Get(ctx, c, topology.StreamBodies, query.Question{Last: subject})
	if errors.Is(err, failure.ErrNotFound) || errors.Is(err, nats.ErrNoResponders) {
		err = IsGone(c, func(js nats.JetStreamContext) error {
			_, err := js.GetLastMsg(topology.StreamBodies, subject, nats.Context(ctx))
			if errors.Is(err, nats.ErrStreamNotFound) {
				err = nats.ErrMsgNotFound
			}
			return err
		})
		if errors.Is(err, failure.ErrBodyGone) {
			err = errObjectGone
		}
	}
	if err != nil {
		return nil, fmt.Errorf("reading a body: %w", err)
	}
	var info jetstream.ObjectInfo
	switch err := json.Unmarshal(meta.Data, &info); {
	case err == nil && info.Deleted:
		return nil, errObjectGone
	case err != nil || e.Away > config.BodyLimit || info.Size != uint64(e.Away) || strings.ContainsAny(info.NUID, ".*> "):
		return nil, errObjectAltered
	}
	body, err := chunks(ctx, c, chunkPrefix+info.NUID, &info)
	if err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(body); hex.EncodeToString(sum[:]) != e.Digest {
		return nil, errObjectAltered
	}
	return body, nil
}

// chunks reads the parts of a body.
func chunks(ctx context.Context, c *connection.Conn, subject string, info *jetstream.ObjectInfo) ([]byte, error) {
	body := make([]byte, 0, info.Size)
	for next := uint64(1); ; {
		got, err := query.Fetch(ctx, c, query.Selection{Stream: topology.StreamBodies, Subject: subject, Bodies: true},
			query.Question{Seq: next, Subject: subject, Batch: chunksRead, MaxBytes: query.ReadBytes})
		if err != nil {
			return nil, fmt.Errorf("reading a body: %w", err)
		}
		for i := range got.Msgs {
			if len(body)+len(got.Msgs[i].Data) > cap(body) {
				return nil, errObjectAltered
			}
			body = append(body, got.Msgs[i].Data...)
		}
		if next = got.Last + 1; got.Done || got.Last == 0 {
			break
		}
	}
	if uint64(len(body)) == info.Size {
		return body, nil
	}
	return nil, missing(ctx, c, subject, info)
}

// missing tells a body that has lost parts from a replica of the bucket that lags behind.
func missing(ctx context.Context, c *connection.Conn, subject string, info *jetstream.ObjectInfo) error {
	s, err := c.JS.Stream(ctx, topology.StreamBodies)
	if err != nil {
		return fmt.Errorf("reading a body: %w", failure.Classify(err))
	}
	all, err := s.Info(ctx, jetstream.WithSubjectFilter(subject))
	switch {
	case err != nil:
		return fmt.Errorf("reading a body: %w", failure.Classify(err))
	case all.State.Subjects[subject] == uint64(info.Chunks):
		return fmt.Errorf("reading a body: %w: a replica lags behind", failure.ErrUnavailable)
	}
	return errObjectGone
}

// IsGone returns ErrBodyGone when the leader of a stream says so: a replica that lags may not have a message yet, and
// nothing may be given up because of that.
func IsGone(c *connection.Conn, ask func(nats.JetStreamContext) error) error {
	js, err := c.JetStream(nats.APIPrefix(c.API("")))
	if err == nil {
		err = ask(js)
	}
	switch {
	case errors.Is(err, nats.ErrMsgNotFound):
		return failure.ErrBodyGone
	case err != nil:
		return fmt.Errorf("asking for a body: %w", failure.Classify(err))
	}
	return fmt.Errorf("asking for a body: %w: a replica lags behind", failure.ErrUnavailable)
}
