package publish_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"jethook/config"
	"jethook/publish"
	"jethook/publish/bustest"
	"jethook/publish/embedded"
)

// mark is in every event that these tests store: no file may show it.
const mark = "customer-4711"

// withKeys are settings for the same store with other keys.
func withKeys(cfg *config.Config, keys ...string) *config.Config {
	c := *cfg
	c.EncryptionKeys = nil
	for _, key := range keys {
		c.EncryptionKeys = append(c.EncryptionKeys, config.NewSecret(key))
	}
	return &c
}

// stock stores what a store holds after a while: events in several files, of which one is removed and a consumer
// has taken three; a delivery that waits and one that is done; a stream that was emptied, and others that never
// held anything.
func stock(t *testing.T, cfg *config.Config) {
	t.Helper()
	b := bustest.Open(t, cfg)
	for i := range 10 {
		e := bustest.Event(fmt.Sprint(mark, "-", i))
		e.Body = bytes.Repeat([]byte(mark), 1<<16)
		if _, err := b.Publish(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	nc, js := bustest.Client(t, b)
	for _, subject := range []string{"events.gone", "jethook.due.ep_done", "jethook.due.ep_waits"} {
		if _, err := js.Publish(t.Context(), subject, []byte(mark)); err != nil {
			t.Fatal(err)
		}
	}
	stream := func(name string) jetstream.Stream {
		s, err := js.Stream(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	err := errors.Join(
		stream("EVENTS").Purge(t.Context()),
		stream("DELIVERIES").DeleteMsg(t.Context(), 1),
		stream("WEBHOOKS").SecureDeleteMsg(t.Context(), 6),
	)
	if err != nil {
		t.Fatal(err)
	}
	c, err := js.CreateConsumer(t.Context(), "WEBHOOKS", jetstream.ConsumerConfig{Durable: "taker", AckPolicy: jetstream.AckExplicitPolicy})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		m, err := c.Next()
		if err != nil {
			t.Fatal(err)
		}
		if err := m.DoubleAck(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	nc.Close()
	b.Close()
}

// intact opens the store and fails the test unless all that stock stored is there, and more can be.
func intact(t *testing.T, cfg *config.Config) {
	t.Helper()
	b := bustest.Open(t, cfg)
	defer b.Close()
	_, js := bustest.Client(t, b)
	c, err := js.Consumer(t.Context(), "WEBHOOKS", "taker")
	if err != nil {
		t.Fatal(err)
	}
	if info := c.CachedInfo(); info.AckFloor.Stream != 3 {
		t.Errorf("the consumer stands at %d, want 3", info.AckFloor.Stream)
	}
	s, err := js.Stream(t.Context(), "WEBHOOKS")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		m, err := s.GetMsg(t.Context(), uint64(i+1))
		if gone := i == 5; gone != (err != nil) || !gone && m.Header.Get("Jethook-Id") != fmt.Sprint(mark, "-", i) {
			t.Errorf("event %d: %v", i, err)
		}
	}
	if _, err := b.Publish(t.Context(), bustest.Event("one more")); err != nil {
		t.Error(err)
	}
	for subject, after := range map[string]uint64{"events.more": 1, "jethook.due.ep_more": 2, "jethook.ops.more": 0} {
		if ack, err := js.Publish(t.Context(), subject, nil); err != nil || ack.Sequence <= after {
			t.Errorf("%s: %+v, %v", subject, ack, err)
		}
	}
	waits, err := js.Stream(t.Context(), "DELIVERIES")
	if err != nil {
		t.Fatal(err)
	}
	if m, err := waits.GetLastMsgForSubject(t.Context(), "jethook.due.ep_waits"); err != nil || string(m.Data) != mark {
		t.Errorf("the delivery that waits: %v, %v", m, err)
	}
}

// refused fails the test unless opening the store fails, says what to do about the key, and leaves every file as
// it is.
func refused(t *testing.T, cfg *config.Config, want string) {
	t.Helper()
	before := checksums(t, cfg.DataDir)
	b, err := publish.Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err == nil {
		b.Close()
	}
	if !errors.Is(err, embedded.ErrStoreKey) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "-of-the-tests") {
		t.Errorf("got %v, want ErrStoreKey that says %q", err, want)
	}
	after := checksums(t, cfg.DataDir)
	for path, sum := range before {
		if after[path] != sum {
			t.Errorf("%s was changed", path)
		}
	}
}

func checksums(t *testing.T, dir string) map[string][sha256.Size]byte {
	t.Helper()
	sums := make(map[string][sha256.Size]byte)
	eachFile(t, dir, func(path string, content []byte) { sums[path] = sha256.Sum256(content) })
	return sums
}

func eachFile(t *testing.T, dir string, visit func(path string, content []byte)) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		visit(path, content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// inClear lists the files below dir that show what was stored.
func inClear(t *testing.T, dir string) (files []string) {
	t.Helper()
	eachFile(t, dir, func(path string, content []byte) {
		for _, text := range []string{mark, "webhooks.polaris", "device.down"} {
			if bytes.Contains(content, []byte(text)) {
				files = append(files, path)
				return
			}
		}
	})
	return files
}

func TestStoreIsEncrypted(t *testing.T) {
	t.Parallel()
	cfg := withKeys(bustest.Settings(t), bustest.OneKey)
	stock(t, cfg)
	intact(t, cfg)
	if files := inClear(t, cfg.DataDir); len(files) > 0 {
		t.Errorf("in clear: %v", files)
	}
	info, err := os.Stat(filepath.Join(cfg.DataDir, "store-key"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the store's key: %v, %v", info, err)
	}
}

// A store from before is encrypted whole, and nothing of it is lost.
func TestPlainStoreIsEncrypted(t *testing.T) {
	t.Parallel()
	cfg := bustest.Settings(t)
	stock(t, cfg)
	if len(inClear(t, cfg.DataDir)) == 0 {
		t.Fatal("nothing is in clear without a key: the test sees nothing")
	}
	cfg = withKeys(cfg, bustest.OneKey)
	for range 2 {
		intact(t, cfg)
		if files := inClear(t, cfg.DataDir); len(files) > 0 {
			t.Errorf("in clear: %v", files)
		}
	}
}

func TestStoreUnderOtherKeys(t *testing.T) {
	t.Parallel()
	cfg := bustest.Settings(t)
	stock(t, withKeys(cfg, bustest.OneKey))
	refused(t, withKeys(cfg), "set JETHOOK_ENCRYPTION_KEY")
	refused(t, withKeys(cfg, bustest.AnotherKey), "JETHOOK_ENCRYPTION_KEY does not hold the key")
	intact(t, withKeys(cfg, bustest.OneKey))

	// Changed: once with both, from then on with the new one alone.
	intact(t, withKeys(cfg, bustest.AnotherKey, bustest.OneKey))
	refused(t, withKeys(cfg, bustest.OneKey), "JETHOOK_ENCRYPTION_KEY does not hold the key")
	intact(t, withKeys(cfg, bustest.AnotherKey))
}

func TestStoreWithoutItsKeyFile(t *testing.T) {
	t.Parallel()
	cfg := withKeys(bustest.Settings(t), bustest.OneKey)
	stock(t, cfg)
	file := filepath.Join(cfg.DataDir, "store-key")
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, damage := range map[string]func() error{
		"is missing": func() error { return os.Remove(file) },
		"is damaged": func() error { return os.WriteFile(file, content[:len(content)-9], 0o600) },
	} {
		if err := damage(); err != nil {
			t.Fatal(err)
		}
		refused(t, cfg, "store-key "+name)
	}
	if err := os.RemoveAll(file); err != nil { // it may be gone already
		t.Fatal(err)
	}
	refused(t, withKeys(cfg), "store-key is missing")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	intact(t, cfg)
}

// A process that was killed while it encrypted a store leaves it whole, wherever it was.
func TestKilledWhileEncrypting(t *testing.T) {
	t.Parallel()
	junk := func(t *testing.T, dir string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Join(dir, "jetstream", "$G", "streams", "WEBHOOKS"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "jetstream", "$G", "streams", "WEBHOOKS", "meta.inf"), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	move := func(t *testing.T, dir string, names ...string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Join(dir, "encrypted"), 0o700); err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if err := os.Rename(filepath.Join(dir, name), filepath.Join(dir, "encrypted", name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, kill := range map[string]func(t *testing.T, cfg *config.Config){
		"while it copied": func(t *testing.T, cfg *config.Config) {
			stock(t, cfg)
			junk(t, filepath.Join(cfg.DataDir, "encrypting"))
		},
		"before the old store went": func(t *testing.T, cfg *config.Config) {
			stock(t, withKeys(cfg, bustest.OneKey))
			move(t, cfg.DataDir, "jetstream", "store-key")
			junk(t, cfg.DataDir)
		},
		"before the new store came": func(t *testing.T, cfg *config.Config) {
			stock(t, withKeys(cfg, bustest.OneKey))
			move(t, cfg.DataDir, "jetstream", "store-key")
		},
		"before its key came": func(t *testing.T, cfg *config.Config) {
			stock(t, withKeys(cfg, bustest.OneKey))
			move(t, cfg.DataDir, "store-key")
		},
		"before it had cleaned up": func(t *testing.T, cfg *config.Config) {
			stock(t, withKeys(cfg, bustest.OneKey))
			move(t, cfg.DataDir)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := bustest.Settings(t)
			kill(t, cfg)
			intact(t, withKeys(cfg, bustest.OneKey))
			for _, left := range []string{"encrypting", "encrypted"} {
				if _, err := os.Stat(filepath.Join(cfg.DataDir, left)); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%s is left: %v", left, err)
				}
			}
		})
	}
}
