package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/nats-io/nats-server/v2/server"
)

// The server encrypts a store in clear by itself, in place and file by file: a kill between a file and its key
// leaves garbage. So it works on a copy, which takes the store's place when it is complete. One rename decides:
// before it the store is what it was, after it the next start finishes the exchange.

// encrypting is where the copy is worked on, encrypted what it is called once it is complete.
func (v *vault) encrypting() string { return filepath.Join(v.dir, "encrypting") }
func (v *vault) encrypted() string  { return filepath.Join(v.dir, "encrypted") }

// encrypt replaces the store by an encrypted copy. Until then the disk must hold both.
func (v *vault) encrypt(ctx context.Context, key, sealed string) (err error) {
	v.log.Info("encrypting the store; this temporarily needs twice the disk space")
	work := v.encrypting()
	if err := os.RemoveAll(work); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(work))
		}
	}()
	if err := os.CopyFS(filepath.Join(work, "jetstream"), os.DirFS(filepath.Join(v.dir, "jetstream"))); err != nil {
		return fmt.Errorf("copying it: %w", err)
	}
	if err := v.convert(ctx, key); err != nil {
		return err
	}
	if err := writeFile(filepath.Join(work, "store-key"), sealed); err != nil {
		return err
	}
	if err := syncTree(work); err != nil {
		return fmt.Errorf("syncing the copy: %w", err)
	}
	if err := os.Rename(work, v.encrypted()); err != nil {
		return err
	}
	if err := syncPath(v.dir); err != nil {
		return err
	}
	if err := v.finishEncrypting(); err != nil {
		return err
	}
	v.log.Info("the store is encrypted")
	return nil
}

// convert has a server encrypt the copy, and makes sure that it did so with all of it.
func (v *vault) convert(ctx context.Context, key string) error {
	work := v.encrypting()
	if err := errors.Join(v.dropIndexes(), v.dropEmptyBlocks()); err != nil {
		return err
	}
	streams, consumers := streamFiles(work, "meta.inf"), streamFiles(work, "obs/*/meta.inf")
	opts := &server.Options{
		ServerName: "jethook-encrypting", NoSigs: true, DontListen: true,
		JetStream: true, StoreDir: work, DisableJetStreamBanner: true, MaxPending: maxPending,
		JetStreamKey: key, JetStreamCipher: storeCipher,
	}
	srv, err := startServer(ctx, opts, v.log)
	if err != nil {
		return err
	}
	info, err := srv.Jsz(nil)
	srv.Shutdown()
	srv.WaitForShutdown()
	if err != nil {
		return fmt.Errorf("looking at the copy: %w", err)
	}
	if info.Streams != len(streams) || info.Consumers != len(consumers) {
		return fmt.Errorf("only %d of %d streams and %d of %d consumers were copied", info.Streams, len(streams), info.Consumers, len(consumers))
	}
	// Of a store that was in clear, the server writes the first index in clear.
	if err := v.dropIndexes(); err != nil {
		return err
	}
	return v.checkEncrypted()
}

// dropIndexes removes what the server only keeps to start faster. Without it, it reads every block, and so encrypts
// every one.
func (v *vault) dropIndexes() error {
	for _, index := range streamFiles(v.encrypting(), "msgs/index.db") {
		if err := os.Remove(filepath.Join(v.encrypting(), index)); err != nil {
			return err
		}
	}
	return nil
}

// dropEmptyBlocks removes the files that hold no message yet: the server takes one for damaged when it is to encrypt
// it, and makes it anew when it is missing. The last sequence of a stream that was emptied stands in a file that is
// not.
func (v *vault) dropEmptyBlocks() error {
	for _, block := range streamFiles(v.encrypting(), "msgs/*.blk") {
		path := filepath.Join(v.encrypting(), block)
		if info, err := os.Stat(path); err != nil || info.Size() > 0 {
			continue
		}
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	return nil
}

// checkEncrypted refuses a copy of which something has no key.
func (v *vault) checkEncrypted() error {
	work := v.encrypting()
	files := append(streamFiles(work, "meta.inf"), streamFiles(work, "obs/*/meta.inf")...)
	for _, file := range append(files, streamFiles(work, "msgs/*.blk")...) {
		key := strings.TrimSuffix(strings.TrimSuffix(file, ".inf"), ".blk") + ".key"
		if _, err := os.Stat(filepath.Join(work, key)); err != nil {
			return fmt.Errorf("%s was not encrypted: %w", file, err)
		}
	}
	return nil
}

// finishEncrypting puts a complete copy into the store's place, and its key beside it: one that was encrypted, or one that was
// restored from a backup. A kill at any moment leaves what the next start goes on with.
func (v *vault) finishEncrypting() error {
	return errors.Join(v.replace(v.encrypted()), v.replace(v.restored()))
}

// replace puts the complete store in a folder into the place of the one that is there.
func (v *vault) replace(from string) error {
	store := filepath.Join(v.dir, "jetstream")
	if _, err := os.Stat(from); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if _, err := os.Stat(filepath.Join(from, "jetstream")); err == nil {
		if err := os.RemoveAll(store); err != nil {
			return err
		}
		if err := os.Rename(filepath.Join(from, "jetstream"), store); err != nil {
			return err
		}
	}
	if _, err := os.Stat(filepath.Join(from, clearMark)); err == nil {
		if err := os.Remove(v.keyFile()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := os.Rename(filepath.Join(from, "store-key"), v.keyFile()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := syncPath(v.dir); err != nil {
		return err
	}
	return os.RemoveAll(from)
}

// syncTree returns when all files and folders below root are on the disk.
func syncTree(root string) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Type()&fs.ModeSymlink != 0 {
			return err
		}
		return syncPath(path)
	})
}
