package publish

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"jethook/config"
)

// ErrNoStore means that there are no streams of Jethook.
var ErrNoStore = errors.New("no streams of Jethook found")

// Store is a connection to JetStream for work on the streams as wholes. Opening it makes and changes none.
type Store struct {
	Conn     *nats.Conn
	Replicas int // of each stream

	close func()
}

// Close ends the connection, and the embedded server if it runs for the store alone.
func (s *Store) Close() { s.close() }

// OpenStore connects to the cluster of NATS_URL; or else to the embedded server, be it that of a process that runs or, if
// none does, one that it starts on DATA_DIR.
func OpenStore(ctx context.Context, cfg *config.Config, log *slog.Logger) (*Store, error) {
	if cfg.NATSURL != "" {
		return dialStore(cfg, log)
	}
	if len(streamFiles(cfg.DataDir, "meta.inf")) == 0 {
		return nil, fmt.Errorf("%w in JETHOOK_DATA_DIR %s", ErrNoStore, cfg.DataDir)
	}
	own := *cfg
	own.NATSListen = "off"
	srv, err := startEmbedded(ctx, &own, log)
	if errors.Is(err, ErrInUse) {
		return dialRunning(cfg)
	}
	if err != nil {
		return nil, err
	}
	c, err := connect(cfg, srv, cfg.NATSToken.Reveal, "store", log)
	if err != nil {
		srv.stop()
		return nil, err
	}
	return &Store{Conn: c.Conn, Replicas: cfg.Replicas, close: func() { c.end(log); srv.stop() }}, nil
}

func dialStore(cfg *config.Config, log *slog.Logger) (*Store, error) {
	c, err := connect(cfg, nil, cfg.NATSToken.Reveal, "store", log)
	if err != nil {
		return nil, err
	}
	return &Store{Conn: c.Conn, Replicas: cfg.Replicas, close: func() { c.end(log) }}, nil
}

// dialRunning connects to the embedded server of a process that runs on this machine.
func dialRunning(cfg *config.Config) (*Store, error) {
	if cfg.NATSListen == "off" {
		return nil, errors.New("jethook serve runs on this data directory with JETHOOK_NATS_LISTEN=off; stop it first, or let it listen")
	}
	token, err := cfg.EnsureNATSAdminToken()
	if err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(cfg.NATSListen)
	if err != nil {
		return nil, fmt.Errorf("reading JETHOOK_NATS_LISTEN: %w", err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	nc, err := nats.Connect("nats://"+net.JoinHostPort(host, port), nats.Name("jethook store"), nats.Token(token.Reveal()))
	if err != nil {
		return nil, fmt.Errorf("connecting to the running jethook at JETHOOK_NATS_LISTEN: %w", err)
	}
	return &Store{Conn: nc, Replicas: cfg.Replicas, close: nc.Close}, nil
}

// Consumer names the queue's consumer.
func (q Queue) Consumer() string { return q.consumer }

// IsNotFound reports whether an error says that there is no such stream or consumer.
func IsNotFound(err error) bool {
	return errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, jetstream.ErrConsumerNotFound)
}

// SealMark is the key of the metadata of a bucket's stream under which its mark stands, if its records are sealed.
const SealMark = markKey

// SealPlace is what a bucket's mark is sealed for.
func SealPlace(bucket string) string { return "bucket " + bucket }

// Errors of restores. Test with errors.Is.
var (
	// ErrOccupied means that there are streams already, which a restore would replace.
	ErrOccupied = errors.New("there are streams already, and a restore replaces them")
	// ErrUnfinished means that a restore was begun and has not ended.
	ErrUnfinished = errors.New("a restore was begun and did not finish: run jethook restore again")
	// ErrInUse means that another process has the data directory.
	ErrInUse = errors.New("is another jethook using it?")
	// ErrRunning means that processes work on the streams that are to be restored.
	ErrRunning = errors.New("jethook is running; stop all its processes before a restore")
)

// Restoring is a store that takes the streams of a backup. Until [Restoring.Finish] nothing starts from it.
type Restoring struct {
	Store
	finish func(context.Context) error
}

// Finish puts what was restored in its place. Close must be called too.
func (r *Restoring) Finish(ctx context.Context) error { return r.finish(ctx) }

// BeginRestore prepares a restore: of the embedded store in a new one beside the old one, which Finish replaces; of a cluster
// by removing streams. What is there already it replaces only with force, or if an earlier restore has left it.
func BeginRestore(ctx context.Context, cfg *config.Config, streams []string, force bool, log *slog.Logger) (*Restoring, error) {
	if cfg.NATSURL != "" {
		return restoreCluster(ctx, cfg, streams, force, log)
	}
	return restoreEmbedded(ctx, cfg, force, log)
}

// restoring is where a store is restored, restored what it is called once it is complete.
func (v *vault) restoring() string { return filepath.Join(v.dir, "restoring") }
func (v *vault) restored() string  { return filepath.Join(v.dir, "restored") }

func restoreEmbedded(ctx context.Context, cfg *config.Config, force bool, log *slog.Logger) (_ *Restoring, err error) {
	if err := refuseLinks(cfg.DataDir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("creating JETHOOK_DATA_DIR: %w", err)
	}
	lock, err := lockDir(filepath.Join(cfg.DataDir, "lock"))
	if err != nil {
		return nil, fmt.Errorf("%w: locking JETHOOK_DATA_DIR %s: %w", ErrRunning, cfg.DataDir, err)
	}
	defer func() {
		if err != nil {
			lock.Close()
		}
	}()
	keys, err := cfg.Keyring()
	if err != nil {
		return nil, err
	}
	v := &vault{dir: cfg.DataDir, keys: keys, log: log}
	if err := v.finishEncrypting(); err != nil {
		return nil, fmt.Errorf("putting the store in its place: %w", err)
	}
	if !force && len(streamFiles(cfg.DataDir, "meta.inf")) > 0 {
		return nil, fmt.Errorf("%w: JETHOOK_DATA_DIR %s", ErrOccupied, cfg.DataDir)
	}
	return v.beginRestore(ctx, cfg, lock)
}

// beginRestore starts a server on an empty store beside the one that is there.
func (v *vault) beginRestore(ctx context.Context, cfg *config.Config, lock *os.File) (*Restoring, error) {
	work := v.restoring()
	if err := os.RemoveAll(work); err != nil {
		return nil, fmt.Errorf("removing what an earlier restore left: %w", err)
	}
	if err := os.Mkdir(work, 0o700); err != nil {
		return nil, fmt.Errorf("making a store to restore to: %w", err)
	}
	if err := syncPath(v.dir); err != nil {
		return nil, err
	}
	opts := serverOptions(cfg)
	opts.StoreDir, opts.SyncAlways = work, false // it is synced as a whole
	opts.MaxPayload = max(opts.MaxPayload, config.BodyLimit+headerRoom)
	sealed := ""
	if !v.keys.IsEmpty() {
		opts.JetStreamKey, sealed = v.newKey()
		opts.JetStreamCipher = storeCipher
	}
	srv, err := startServer(ctx, opts, v.log)
	if err != nil {
		return nil, err
	}
	nc, err := nats.Connect("", nats.InProcessServer(srv), nats.Name("jethook restore"))
	if err != nil {
		srv.Shutdown()
		return nil, err
	}
	stop := func() {
		nc.Close()
		srv.Shutdown()
		srv.WaitForShutdown()
	}
	return &Restoring{
		Store:  Store{Conn: nc, Replicas: 1, close: func() { stop(); lock.Close() }},
		finish: func(context.Context) error { stop(); return v.finishRestore(sealed) },
	}, nil
}

// clearMark is a file in a complete store that says that it is not encrypted.
const clearMark = "in-clear"

// finishRestore puts a store that was restored into the place of the one that is there. One rename decides, as in encrypt.
func (v *vault) finishRestore(sealed string) error {
	work, file := v.restoring(), "store-key"
	if sealed == "" {
		file = clearMark
	}
	if err := writeFile(filepath.Join(work, file), sealed); err != nil {
		return err
	}
	if err := syncTree(work); err != nil {
		return fmt.Errorf("syncing the restored store: %w", err)
	}
	if err := os.Rename(work, v.restored()); err != nil {
		return err
	}
	if err := syncPath(v.dir); err != nil {
		return err
	}
	return v.finishEncrypting()
}

// refuseUnfinished keeps a process from starting where a restore has not ended.
func (v *vault) refuseUnfinished() error {
	_, err := os.Stat(v.restoring())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = fmt.Errorf("%w; or remove %s to go on with what was there before", ErrUnfinished, v.restoring())
	}
	return err
}
