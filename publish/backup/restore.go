package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/nats-io/nats-server/v2/server/archive"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"jethook/config/keyring"
	"jethook/publish/connection"
	"jethook/publish/failure"
	"jethook/publish/seal"
	"jethook/publish/stores"
	"jethook/publish/topology"
)

// Verify reads a backup through, and returns what it holds. It changes nothing. An error wraps [ErrDamaged] when the file
// is not a complete backup.
func Verify(r io.Reader) (*Manifest, error) {
	return each(r, func(p *partReader) error {
		if !strings.HasSuffix(p.part.Name, snapshotPart) {
			return p.end()
		}
		if _, err := count(p); err != nil {
			return fmt.Errorf("%s: %w", p.part.Name, err)
		}
		return p.end()
	})
}

// each calls do with each part of a backup but the first, which says what it is, and the last.
func each(r io.Reader, do func(*partReader) error) (*Manifest, error) {
	in, err := newReader(r)
	if err != nil {
		return nil, err
	}
	var m Manifest
	for {
		p, err := in.next()
		switch {
		case errors.Is(err, io.EOF):
			return &m, nil
		case err != nil:
			return nil, err
		case p.part.Name == manifestPart:
			err = p.into(&m)
		case m.Format != 0:
			err = do(p)
		case p.part.Name != infoPart:
			err = fmt.Errorf("%w: it begins with %q", ErrDamaged, p.part.Name)
		default:
			if err = p.into(&m); err == nil && m.Format != format {
				err = fmt.Errorf("it was made by jethook %s in format %d; this one reads format %d", m.Jethook, m.Format, format)
			}
		}
		if err != nil {
			return nil, err
		}
	}
}

// restore is one that is under way.
type restore struct {
	Options
	nc        *nats.Conn
	api       func(request string) string
	patience  *connection.Patience
	replicas  int
	keys      *keyring.Keyring
	limits    map[string]topology.Limit
	consumers map[string][]consumer
	of        Stream // whose snapshot comes next
}

// Restore puts what a backup holds on a store that [stores.BeginRestore] has prepared. The caller finishes it, if there is no
// error.
func Restore(ctx context.Context, s *stores.Restoring, keys *keyring.Keyring, r io.Reader, o Options) (*Manifest, error) {
	t := &restore{Options: o, nc: s.Conn, api: s.API, patience: s.Patience, replicas: s.Replicas, keys: keys, limits: s.Limits, consumers: make(map[string][]consumer)}
	return each(r, func(p *partReader) error { return t.part(ctx, p) })
}

func (t *restore) part(ctx context.Context, p *partReader) error {
	switch name := p.part.Name; {
	case name == consumersPart:
		return p.into(&t.consumers)
	case strings.HasSuffix(name, streamPart):
		t.of = Stream{}
		if err := p.into(&t.of); err != nil {
			return err
		}
		if !slices.Contains(Streams(), t.of.Name) {
			return fmt.Errorf("%w: it holds a stream %q", ErrDamaged, t.of.Name)
		}
		return nil
	case name == t.of.Name+snapshotPart:
		if err := t.stream(ctx, p); err != nil {
			return fmt.Errorf("restoring %s: %w", t.of.Name, t.wantOfRoom(err))
		}
		t.Progress("%s: restored", strings.TrimPrefix(t.of.Name, bucketPrefix))
		return p.end()
	case strings.HasSuffix(name, pausePart):
		return p.end()
	case strings.HasSuffix(name, laterPart):
		var later []message
		if err := p.into(&later); err != nil {
			return err
		}
		for i := range later {
			if err := t.patience.Await(ctx, "stream "+later[i].Stream, func(ctx context.Context) error { return later[i].again(ctx, t.nc) }); err != nil {
				return err
			}
		}
		return nil
	default:
		return fmt.Errorf("%w: it has a part %q out of place", ErrDamaged, name)
	}
}

// stream restores one stream.
func (t *restore) stream(ctx context.Context, p io.Reader) error {
	cfg, err := t.config()
	if err != nil {
		return err
	}
	subject, err := t.open(ctx, cfg)
	if err != nil {
		return err
	}
	piped, pipe := io.Pipe()
	rewritten := make(chan error, 1)
	go func() {
		err := t.rewrite(pipe, p)
		pipe.CloseWithError(err)
		rewritten <- err
	}()
	err = send(ctx, t.nc, subject, piped)
	piped.CloseWithError(err)
	if cause := <-rewritten; cause != nil && !errors.Is(cause, err) {
		err = errors.Join(err, cause)
	}
	return err
}

// open has the server take a snapshot, and returns where.
func (t *restore) open(ctx context.Context, cfg map[string]any) (subject string, err error) {
	var to struct {
		Subject string `json:"deliver_subject"`
	}
	request, tried := map[string]any{"config": cfg, "state": t.of.State}, false
	err = t.patience.Await(ctx, "the cluster to place stream "+t.of.Name, func(ctx context.Context) error {
		if tried { // an answer that was lost leaves a stream which takes nothing
			var removed struct{}
			if err := ask(ctx, t.nc, t.api("STREAM.DELETE."+t.of.Name), struct{}{}, &removed); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
				return err
			}
		}
		tried = true
		return ask(ctx, t.nc, t.api("STREAM.RESTORE."+t.of.Name), request, &to)
	})
	return to.Subject, err
}

// ErrOtherKey means that what is sealed in a backup can't be opened by the keys of JETHOOK_ENCRYPTION_KEY.
var ErrOtherKey = errors.New("the backup's endpoints are encrypted with another key; set JETHOOK_ENCRYPTION_KEY to the key that it was made with")

// config is the configuration with which the stream is restored: as it was, but for what depends on the servers.
func (t *restore) config() (map[string]any, error) {
	var cfg map[string]any
	if err := json.Unmarshal(t.of.Config, &cfg); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	cfg["num_replicas"] = t.replicas
	delete(cfg, "placement")
	if t.replicas > 1 {
		delete(cfg, "persist_mode")
	}
	metadata, _ := cfg["metadata"].(map[string]any)
	for key := range metadata {
		if strings.HasPrefix(key, "_nats.") { // the server's own
			delete(metadata, key)
		}
	}
	if t.Move != "" && t.of.Name == topology.StreamWebhooks {
		if metadata == nil {
			metadata = make(map[string]any)
			cfg["metadata"] = metadata
		}
		metadata[stores.MoveKey] = t.Move
	}
	if limit, ok := t.limits[t.of.Name]; ok {
		holds, err := t.of.bytes()
		if err != nil {
			return nil, err
		}
		if err := limit.Apply(t.of.Name, holds, cfg, metadata); err != nil {
			return nil, fmt.Errorf("%w: %w", failure.ErrFull, err)
		}
	}
	if mark, _ := metadata[seal.Mark].(string); mark != "" {
		if _, err := t.keys.Open(mark, seal.Place(strings.TrimPrefix(t.of.Name, bucketPrefix))); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrOtherKey, err)
		}
	}
	return cfg, nil
}

// rewrite copies a snapshot, with the consumers and the last place that the stream is to have.
func (t *restore) rewrite(w io.Writer, r io.Reader) error {
	c, err := openContents(r)
	if err != nil {
		return err
	}
	consumers := c.consumers
	if read, ok := t.consumers[t.of.Name]; ok {
		consumers = read
	}
	consumers = slices.DeleteFunc(slices.Clone(consumers), func(c consumer) bool { return !c.isDurable() })
	if err := goOn(t.of.Name, c.state, len(consumers)); err != nil {
		return err
	}
	packed := s2.NewWriter(w)
	out := archive.NewWriter(packed)
	if err := put(out, stateEntry, c.stateTime, c.state); err != nil {
		return err
	}
	for _, one := range consumers {
		delete(one.Cfg, "pause_until")
		delete(one.Cfg, "num_replicas")
		if err := put(out, consumerPrefix+one.Name, c.stateTime, one); err != nil {
			return err
		}
	}
	_, err = c.each(func(head *archive.Header) error {
		if err := out.WriteHeader(head); err != nil {
			return err
		}
		_, err := io.Copy(out, c)
		return err
	})
	if err == nil {
		err = out.WriteHeader(&archive.Header{})
	}
	return errors.Join(err, out.Close(), packed.Close())
}

func put(out *archive.Writer, name string, at int64, content any) error {
	data, err := json.Marshal(content)
	if err != nil {
		return err
	}
	if err := out.WriteHeader(&archive.Header{Name: name, Timestamp: at, PayloadSize: int64(len(data))}); err != nil {
		return err
	}
	_, err = out.Write(data)
	return err
}

// placeGap is how many places a stream of events leaves free: they may have been given after the backup.
const placeGap = 1 << 20

// goOn sets in a stream's state where its places go on, and how many consumers it has.
func goOn(stream string, state map[string]json.RawMessage, consumers int) error {
	set := func(key string, value any) {
		text, _ := json.Marshal(value) // a number
		state[key] = text
	}
	set("consumer_count", consumers)
	delete(state, "num_deleted")
	delete(state, "deleted")
	if !slices.Contains(events, stream) {
		return nil
	}
	var firstSeq, lastSeq uint64
	if err := errors.Join(json.Unmarshal(state["first_seq"], &firstSeq), json.Unmarshal(state["last_seq"], &lastSeq)); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	next := lastSeq + placeGap
	if stream == streamEvents {
		next = max(lastSeq+1, uint64(time.Now().UnixMicro()))
	}
	if firstSeq > lastSeq || firstSeq == 0 {
		set("first_seq", next+1)
	}
	set("last_seq", next)
	return nil
}
