package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/nats-io/nats.go"

	"jethook/config"
	"jethook/config/keyring"
	"jethook/publish/failure"
)

// Restoration is a store that is being restored. Until Finish nothing starts from it.
type Restoration struct {
	Conn   *nats.Conn
	Close  func()       // ends it, and must be called
	Finish func() error // puts what was restored in its place
}

// HasStore reports whether there are streams in a data directory.
func HasStore(dataDir string) bool { return len(streamFiles(dataDir, "meta.inf")) > 0 }

// restoring is where a store is restored, restored what it is called once it is complete.
func (v *vault) restoring() string { return filepath.Join(v.dir, "restoring") }
func (v *vault) restored() string  { return filepath.Join(v.dir, "restored") }

// BeginRestore starts a server on an empty store beside the one in cfg.DataDir, which Finish replaces. What is there
// already it replaces only with force.
func BeginRestore(ctx context.Context, cfg *config.Config, force bool, log *slog.Logger) (_ *Restoration, err error) {
	if err := refuseLinks(cfg.DataDir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("creating JETHOOK_DATA_DIR: %w", err)
	}
	lock, err := lockDir(filepath.Join(cfg.DataDir, "lock"))
	if err != nil {
		return nil, fmt.Errorf("%w: locking JETHOOK_DATA_DIR %s: %w", failure.ErrRunning, cfg.DataDir, err)
	}
	defer func() {
		if err != nil {
			lock.Close()
		}
	}()
	keys, err := keyring.New(cfg.EncryptionKeys)
	if err != nil {
		return nil, err
	}
	v := &vault{dir: cfg.DataDir, keys: keys, log: log}
	if err := v.finishEncrypting(); err != nil {
		return nil, fmt.Errorf("putting the store in its place: %w", err)
	}
	if !force && HasStore(cfg.DataDir) {
		return nil, fmt.Errorf("%w: JETHOOK_DATA_DIR %s", failure.ErrOccupied, cfg.DataDir)
	}
	return v.beginRestore(ctx, cfg, lock)
}

// beginRestore starts a server on an empty store beside the one that is there.
func (v *vault) beginRestore(ctx context.Context, cfg *config.Config, lock *os.File) (*Restoration, error) {
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
	opts.MaxPayload = max(opts.MaxPayload, config.BodyLimit+HeaderRoom)
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
	return &Restoration{
		Conn:   nc,
		Close:  func() { stop(); lock.Close() },
		Finish: func() error { stop(); return v.finishRestore(sealed) },
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
		err = fmt.Errorf("%w; or remove %s to go on with what was there before", failure.ErrUnfinished, v.restoring())
	}
	return err
}
