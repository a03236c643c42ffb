package publish

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"jethook/config"
	"jethook/publish/connection"
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

// Headers of an event whose body is stored aside, beside headerBodySize. Only a webhook's are believed: services publish
// the others.
const (
	headerBodyObject = "Jethook-Body-Object"
	headerBodyDigest = "Jethook-Body-Digest"
	digestPrefix     = "sha256="
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
func (goneError) Is(target error) bool { return target == ErrBodyGone }

const (
	errObjectGone    = goneError("the body, which was stored aside, is not in the object store " + topology.BucketBodies + " any more")
	errObjectAltered = goneError("the body, which was stored aside, is not the one that came: its size or digest is another")
)

// lighten returns e, or, if its body fits into no message, a copy whose body it has stored aside.
func (b *Bus) lighten(ctx context.Context, e *Event) (*Event, error) {
	if !b.aside || e.Source == "" || int64(len(e.Body)) <= b.fits {
		return e, nil
	}
	light := *e
	ctx, cancel := context.WithTimeout(ctx, asideTime)
	defer cancel()
	return &light, b.setAside(ctx, &light)
}

// lightenAll does so for some events, in place. What it has stored of those that are not published ages out.
func (b *Bus) lightenAll(ctx context.Context, events []*Event) (err error) {
	for i := 0; i < len(events) && err == nil; i++ {
		events[i], err = b.lighten(ctx, events[i])
	}
	return err
}

// setAside stores the body of e aside.
func (b *Bus) setAside(ctx context.Context, e *Event) error {
	store, err := b.back.JS.ObjectStore(ctx, topology.BucketBodies)
	if err != nil {
		return fmt.Errorf("opening object store %s: %w", topology.BucketBodies, failure.Classify(err))
	}
	name, sum := nuid.Next(), sha256.Sum256(e.Body)
	_, err = store.Put(ctx, jetstream.ObjectMeta{
		Name: name, Opts: &jetstream.ObjectMetaOptions{ChunkSize: uint32(max(fewestBytes, min(chunkBytes, b.fits)))},
	}, bytes.NewReader(e.Body))
	if err != nil {
		return fmt.Errorf("storing a body in the object store: %w", classifyStore(err))
	}
	e.object, e.digest, e.away, e.Body = name, hex.EncodeToString(sum[:]), len(e.Body), nil
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

// dropAside removes the body that was stored aside for an event that is not: it was stored before, or refused. What can't
// be removed ages out.
func (b *Bus) dropAside(ctx context.Context, e *Event) {
	if e.object == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), groupcommit.Timeout)
	defer cancel()
	store, err := b.back.JS.ObjectStore(ctx, topology.BucketBodies)
	if err == nil {
		err = store.Delete(ctx, e.object)
	}
	if err != nil {
		b.log.Debug("cannot remove a body from the object store; it expires later", "object", e.object, "error", err)
	}
}

// setObject writes the reference to the body, which has so many bytes.
func (e *Event) setObject(h nats.Header, size int) {
	h[headerBodyObject] = []string{e.object}
	h[headerBodyDigest] = []string{digestPrefix + e.digest}
	h[headerBodySize] = []string{strconv.Itoa(size)}
}

// readObject reads what setObject wrote. It returns false when there is no reference.
func (e *Event) readObject(h nats.Header) bool {
	object := h.Get(headerBodyObject)
	size, err := strconv.Atoi(h.Get(headerBodySize))
	if object == "" || err != nil || size <= 0 {
		return false
	}
	e.object, e.away = object, size
	e.digest = strings.TrimPrefix(h.Get(headerBodyDigest), digestPrefix)
	return true
}

// Complete gives an event that was read its body, if that is stored aside. The error is ErrBodyGone when it is not there
// any more, or is another one.
func (b *Bus) Complete(ctx context.Context, e *Event) error { return complete(ctx, b.reads, e) }

func complete(ctx context.Context, c *connection.Conn, e *Event) (err error) {
	if e.object != "" && len(e.Body) == 0 {
		e.Body, err = object(ctx, c, e)
	}
	return err
}

// object reads the body of e that is stored aside, and never gives another one. It reads messages of the bucket and not by
// the client's object store, whose consumers services could remove.
func object(ctx context.Context, c *connection.Conn, e *Event) ([]byte, error) {
	subject := metaPrefix + base64.URLEncoding.EncodeToString([]byte(e.object))
	meta, err := query.Get(ctx, c, topology.StreamBodies, query.Question{Last: subject})
	if errors.Is(err, failure.ErrNotFound) || errors.Is(err, nats.ErrNoResponders) {
		err = isGone(c, func(js nats.JetStreamContext) error {
			_, err := js.GetLastMsg(topology.StreamBodies, subject, nats.Context(ctx))
			if errors.Is(err, nats.ErrStreamNotFound) {
				err = nats.ErrMsgNotFound
			}
			return err
		})
		if errors.Is(err, ErrBodyGone) {
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
	case err != nil || e.away > config.BodyLimit || info.Size != uint64(e.away) || strings.ContainsAny(info.NUID, ".*> "):
		return nil, errObjectAltered
	}
	body, err := chunks(ctx, c, chunkPrefix+info.NUID, &info)
	if err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(body); hex.EncodeToString(sum[:]) != e.digest {
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
