package embedded

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"jethook/config/keyring"
)

// The embedded server encrypts its store under a random key of its own, which lies beside the store, sealed by
// JETHOOK_ENCRYPTION_KEY. So changing that seals one small file anew and never touches the store. The server's
// own ways with keys (2.15) lose data: under a wrong key, or none, its streams look as if they were missing,
// and making them again destroys what is there; and with JetStreamOldKey the streams survive, but every
// consumer is lost, so that each event would be delivered again. It is therefore only ever started with the
// right key.

// ErrStoreKey means that the store can't be opened with the keys of JETHOOK_ENCRYPTION_KEY. Nothing of it was
// changed.
var ErrStoreKey = errors.New("cannot decrypt the store; it was not changed")

// storeKeyPlace is where the store's key is sealed for.
const storeKeyPlace = "embedded store"

// vault is a DATA_DIR whose store may be encrypted.
type vault struct {
	dir  string
	keys *keyring.Keyring
	log  *slog.Logger
}

func (v *vault) keyFile() string { return filepath.Join(v.dir, "store-key") }

// streamFiles lists files of every stream by a pattern below its folder. A folder that begins with a dot is that of
// a stream which the server is removing.
func streamFiles(dir, pattern string) []string {
	found, err := fs.Glob(os.DirFS(dir), "jetstream/$G/streams/[^.]*/"+pattern)
	if err != nil { // the pattern is wrong, which the tests would find
		panic(err)
	}
	return found
}

// open returns the key that the embedded server is to use; empty for a store in clear. A store that is still
// in clear, with JETHOOK_ENCRYPTION_KEY set, is encrypted first. The store's folder must be locked.
func (v *vault) open(ctx context.Context) (string, error) {
	if err := v.finishEncrypting(); err != nil {
		return "", fmt.Errorf("putting the store in its place: %w", err)
	}
	if err := v.refuseUnfinished(); err != nil {
		return "", err
	}
	content, err := os.ReadFile(v.keyFile())
	switch {
	case err == nil:
		return v.unseal(strings.TrimSpace(string(content)))
	case !errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("reading the store's key: %w", err)
	case len(streamFiles(v.dir, "meta.key")) > 0:
		return "", fmt.Errorf("%w: its key file %s is missing; restore it from the same backup as the store", ErrStoreKey, v.keyFile())
	case v.keys.IsEmpty():
		return "", nil
	}
	key, sealed := v.newKey()
	if len(streamFiles(v.dir, "meta.inf")) > 0 {
		if err := v.encrypt(ctx, key, sealed); err != nil {
			return "", fmt.Errorf("encrypting the store, which was not changed: %w", err)
		}
		return key, nil
	}
	if err := writeFile(v.keyFile(), sealed); err != nil {
		return "", fmt.Errorf("keeping the store's key: %w", err)
	}
	return key, nil
}

func (v *vault) newKey() (key, sealed string) {
	key = rand.Text() + rand.Text() // 256 bits
	return key, v.keys.Seal([]byte(key), storeKeyPlace)
}

// unseal returns the store's key, and seals it anew when the key that did has been replaced.
func (v *vault) unseal(sealed string) (string, error) {
	key, err := v.keys.Open(sealed, storeKeyPlace)
	switch {
	case err != nil && v.keys.IsEmpty():
		return "", fmt.Errorf("%w: set JETHOOK_ENCRYPTION_KEY to the key that %s was encrypted with", ErrStoreKey, v.dir)
	case errors.Is(err, keyring.ErrNoKey):
		return "", fmt.Errorf("%w: %w; add the key that %s was encrypted with", ErrStoreKey, err, v.dir)
	case err != nil:
		return "", fmt.Errorf("%w: %s is damaged; restore it from a copy: %w", ErrStoreKey, v.keyFile(), err)
	}
	if !v.keys.IsCurrent(sealed) {
		if err := writeFile(v.keyFile(), v.keys.Seal(key, storeKeyPlace)); err != nil {
			return "", fmt.Errorf("sealing the store's key anew: %w", err)
		}
		v.log.Info("resealed the store's key with the first key of JETHOOK_ENCRYPTION_KEY")
	}
	return string(key), nil
}

// writeFile puts content into the place of a file at once: after a crash it is there whole, or as it was.
func writeFile(path, content string) error {
	next := path + ".new"
	if err := os.WriteFile(next, []byte(content+"\n"), 0o600); err != nil {
		return err
	}
	if err := syncPath(next); err != nil {
		return err
	}
	if err := os.Rename(next, path); err != nil {
		return err
	}
	return syncPath(filepath.Dir(path))
}
