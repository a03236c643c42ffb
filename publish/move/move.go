package move

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"jethook/config"
	"jethook/config/keyring"
	"jethook/publish/backup"
	"jethook/publish/connection"
	"jethook/publish/moving"
	"jethook/publish/processes"
	"jethook/publish/report"
	"jethook/publish/stores"
)

// Errors of moves. Test with errors.Is.
var (
	// ErrOther means that the store is being moved to another cluster.
	ErrOther = errors.New("this cluster does not have what was copied")
	// ErrTooLate means that a move can't be taken back any more.
	ErrTooLate = errors.New("the cluster has taken over, and may have delivered: the move can't be taken back")
	// ErrNone means that there is no move to take back.
	ErrNone = errors.New("the store is not being moved")
)

// Options are for a move.
type Options struct {
	Version  string                             // of Jethook
	Force    bool                               // replace what the cluster holds
	Progress func(format string, values ...any) // is told what is done
	Log      *slog.Logger
}

// mover is a move that is under way.
type mover struct {
	Options
	from, to *config.Config
	mark     *moving.Mark // as it was last read or written
}

// Run moves the store of from.DataDir, of a process that runs or of none, to the cluster of to. It returns when nothing can come
// any more: when nobody serves from.DataDir, and all is across. An error before the cluster has all leaves the store as it was, and
// one later what the next Run goes on with. Those of [stores.BeginRestore] come before anything is changed.
func Run(ctx context.Context, from, to *config.Config, o Options) error {
	m := &mover{Options: o, from: from, to: to}
	store, js, err := m.open(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if store != nil {
			store.Close()
		}
	}()
	switch {
	case m.mark == nil || m.mark.Phase == moving.Cancelled || m.mark.Phase == moving.Copying:
		err = m.copy(ctx, store, js)
	case m.mark.Phase == moving.Moved:
		o.Progress("moved already, to %s", m.mark.To)
		return nil
	default:
		err = m.resume(ctx)
	}
	if err != nil {
		return err
	}
	o.Progress("%s has all that was stored: start jethook consume and jethook ingest there, let senders and services use them, and stop jethook serve here; "+
		"until then what comes here is forwarded", m.mark.To)
	store, err = m.follow(ctx, store)
	return err
}

// open opens the store, and reads its mark.
func (m *mover) open(ctx context.Context) (*stores.Store, jetstream.JetStream, error) {
	store, err := stores.Open(ctx, m.from, m.Log)
	if err != nil {
		return nil, nil, err
	}
	js, err := connection.JetStream(store.Conn, store.Domain)
	if err == nil {
		m.mark, err = moving.Read(ctx, js)
	}
	if err != nil {
		store.Close()
		return nil, nil, err
	}
	return store, js, nil
}

// write replaces the mark.
func (m *mover) write(ctx context.Context, js jetstream.JetStream, next moving.Mark) error {
	if err := next.Write(ctx, js, m.mark); err != nil {
		return err
	}
	m.mark = &next
	return nil
}

// copy copies what is stored, while it does not change.
func (m *mover) copy(ctx context.Context, store *stores.Store, js jetstream.JetStream) (err error) {
	target, err := stores.BeginRestore(ctx, m.to, backup.Streams(), m.Force, m.Log)
	if err != nil {
		return fmt.Errorf("preparing the cluster: %w", err)
	}
	defer target.Close()
	if target.Conn.MaxPayload() < store.Conn.MaxPayload() && !m.to.LargeBodies {
		m.Progress("warning: the cluster takes messages of at most %d bytes, the store here %d: raise the cluster's max_payload", target.Conn.MaxPayload(), store.Conn.MaxPayload())
	}
	begun := moving.Mark{ID: nuid.Next(), Phase: moving.Copying, To: m.to.ShownNATSURL(), Began: time.Now().UTC()}
	if err := m.write(ctx, js, begun); err != nil {
		return err
	}
	defer func() {
		if err != nil && m.mark.Phase == moving.Copying {
			err = m.takeBack(ctx, js, err)
		}
	}()
	if err := m.awaitStill(ctx, store); err != nil {
		return err
	}
	var copied *backup.Manifest
	if err := target.Attempt(ctx, m.Progress, func() (err error) {
		copied, err = m.transfer(ctx, store, target)
		return err
	}); err != nil {
		return err
	}
	next := *m.mark
	next.Phase, next.Ends = moving.Forwarding, copied.Ends
	if err := m.write(ctx, js, next); err != nil {
		return err
	}
	return target.Finish(ctx)
}

// writeTime bounds the last word of a move that fails.
const writeTime = 10 * time.Second

// takeBack lets the store go on as before, since a move has failed.
func (m *mover) takeBack(ctx context.Context, js jetstream.JetStream, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTime)
	defer cancel()
	next := *m.mark
	next.Phase = moving.Cancelled
	if err := m.write(ctx, js, next); err != nil {
		return fmt.Errorf("moving: %w; deliveries wait until you run it again, or jethook move --cancel (%w)", cause, err)
	}
	return fmt.Errorf("moving, which is taken back: deliveries go on here: %w", cause)
}

// askPause is the pause before the processes are asked again.
const askPause = 200 * time.Millisecond

// awaitStill returns when each process on the store says that it changes nothing any more.
func (m *mover) awaitStill(ctx context.Context, store *stores.Store) error {
	if store.Alone {
		return nil
	}
	group := processes.NewGroup(&connection.Conn{Conn: store.Conn}, m.Log)
	for said := ""; ; {
		all, _, err := group.Ask(ctx)
		if err != nil {
			return err
		}
		var busy []string
		if len(all) == 0 {
			busy = append(busy, "jethook serve")
		}
		for i := range all {
			if !all[i].Yields {
				busy = append(busy, named(&all[i]))
			}
		}
		if len(busy) == 0 {
			return nil
		}
		if text := strings.Join(busy, ", "); text != said {
			said = text
			m.Progress("waiting for %s to finish the deliveries in flight (a release that can't be moved never does: stop it)", text)
		}
		if err := pause(ctx, askPause); err != nil {
			return err
		}
	}
}

func named(p *report.Process) string {
	return fmt.Sprintf("%s %s on %s (pid %d)", p.Role, p.Version, p.Host, p.PID)
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// transfer writes a backup straight into a restore.
func (m *mover) transfer(ctx context.Context, store *stores.Store, target *stores.Restoring) (*backup.Manifest, error) {
	keys, err := keyring.New(m.from.EncryptionKeys)
	if err != nil {
		return nil, err
	}
	o := backup.Options{Version: m.Version, Progress: m.Progress, Move: m.mark.ID}
	r, w := io.Pipe()
	var written *backup.Manifest
	var failed error
	done := make(chan struct{})
	go func() {
		defer close(done)
		written, failed = backup.Write(ctx, store, w, o)
		w.CloseWithError(failed)
	}()
	_, err = backup.Restore(ctx, target, keys, r, o)
	r.CloseWithError(err)
	<-done
	if err != nil && failed != nil && !errors.Is(failed, err) { // the cause, which the reader takes for damage
		return nil, failed
	}
	return written, err
}

// resume finishes a cluster that has all, and that a kill may have left unfinished.
func (m *mover) resume(ctx context.Context) error {
	target, of, err := stores.OpenRestored(ctx, m.to, m.Log)
	if err != nil {
		return err
	}
	defer target.Close()
	if of != m.mark.ID {
		return fmt.Errorf("%w: it is %s that has it; run the move with that", ErrOther, m.mark.To)
	}
	return target.Finish(ctx)
}

// Cancel takes a move back whose cluster does not have all yet: deliveries go on here. What is on the cluster stays, and nothing
// starts from it.
func Cancel(ctx context.Context, from *config.Config, o Options) error {
	m := &mover{Options: o, from: from}
	store, js, err := m.open(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	switch {
	case m.mark == nil || m.mark.Phase == moving.Cancelled:
		return ErrNone
	case m.mark.Phase != moving.Copying:
		return fmt.Errorf("%w: it is on %s", ErrTooLate, m.mark.To)
	}
	next := *m.mark
	next.Phase = moving.Cancelled
	return m.write(ctx, js, next)
}
