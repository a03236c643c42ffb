package sources_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"jethook/config"
	"jethook/config/keyring"
	"jethook/publish"
	"jethook/publish/bustest"
	"jethook/publish/seal"
	"jethook/publish/sources"
	"jethook/publish/topology"
)

// sealing is a server of its own, and who reaches its buckets without Jethook.
type sealing struct {
	url      string
	nc       *nats.Conn
	js       jetstream.JetStream
	sources  jetstream.KeyValue
	lastLogs *bytes.Buffer
}

func newSealing(t *testing.T) *sealing {
	t.Helper()
	c := &sealing{url: bustest.NATSServer(t, func(o *server.Options) { o.MaxPayload = 9 << 20 })}
	c.nc, c.js = bustest.ClientOf(t, c.url)
	return c
}

// start is Jethook with these keys.
func (c *sealing) start(t *testing.T, keys ...string) *publish.Bus {
	t.Helper()
	cfg := bustest.Settings(t)
	cfg.NATSURL = c.url
	for _, key := range keys {
		cfg.EncryptionKeys = append(cfg.EncryptionKeys, config.NewSecret(key))
	}
	c.lastLogs = &bytes.Buffer{}
	b, err := publish.Open(t.Context(), cfg, slog.New(slog.NewTextHandler(c.lastLogs, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	if err := b.Sources().SealAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c.sources, err = c.js.KeyValue(t.Context(), topology.BucketSources); err != nil {
		t.Fatal(err)
	}
	return b
}

func (c *sealing) plant(t *testing.T, source, data string) {
	t.Helper()
	if _, err := c.sources.Put(t.Context(), source, []byte(data)); err != nil {
		t.Fatal(err)
	}
}

func (c *sealing) stored(t *testing.T, source string) string {
	t.Helper()
	entry, err := c.sources.Get(t.Context(), source)
	if err != nil {
		t.Fatal(err)
	}
	return string(entry.Value())
}

func fixture(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(data))
}

const learned = "a-secret-that-asana-handed-over"

// knows checks what is known of a source.
func knows(t *testing.T, b *publish.Bus, source string, secrets ...string) {
	t.Helper()
	state, err := b.Sources().Get(t.Context(), source)
	var got []string
	for _, s := range state.Secrets {
		got = append(got, s.Value.Reveal())
	}
	if err != nil || !reflect.DeepEqual(got, secrets) {
		t.Errorf("%s: got %q, %v", source, got, err)
	}
}

// What the release before stored, sealed or in clear, is sealed whole at the first start with a key, and by another key
// when that comes first. After that, nothing unsealed counts: neither a secret nor that the source pairs.
func TestSourcesAreSealed(t *testing.T) {
	t.Parallel()
	c := newSealing(t)
	c.start(t)
	const clear = `{"secrets":[{"value":"in-clear","at":"2026-03-01T12:00:00Z"}]}`
	c.plant(t, "asana", fixture(t, "source-sealed-v1.json"))
	c.plant(t, "notion", clear)
	b := c.start(t, bustest.OneKey)
	knows(t, b, "asana", learned)
	knows(t, b, "notion", "in-clear")
	for _, source := range []string{"asana", "notion"} {
		if data := c.stored(t, source); strings.Contains(data, "in-clear") || strings.Contains(data, "pair_until") || !strings.HasPrefix(data, `{"secrets":"`) {
			t.Errorf("%s: %s", source, data)
		}
	}
	knows(t, c.start(t, bustest.AnotherKey, bustest.OneKey), "asana", learned)
	b = c.start(t, bustest.AnotherKey)
	knows(t, b, "asana", learned)
	if _, err := b.Sources().Learn(t.Context(), "asana", config.NewSecret("another"), "", time.Now()); !errors.Is(err, sources.ErrNotPairing) {
		t.Errorf("got %v", err)
	}

	moved := c.stored(t, "asana")
	for name, data := range map[string]string{
		"in clear": clear, "that it pairs": `{"pair_until":"2036-03-01T12:00:00Z"}`, "sealed by the release before": fixture(t, "source-sealed-v1.json"),
		"of another source": moved, "empty": "{}", "no JSON": "{", "null": "null", "a seal that is none": `{"secrets":"x"}`,
	} {
		c.plant(t, "notion", data)
		for _, b := range []*publish.Bus{b, c.start(t, bustest.AnotherKey)} {
			if _, err := b.Sources().Get(t.Context(), "notion"); !errors.Is(err, seal.ErrUnreadable) {
				t.Errorf("%s: %v", name, err)
			}
			// The next handshake must not take its place.
			if _, err := b.Sources().Learn(t.Context(), "notion", config.NewSecret("hijacked"), "", time.Now()); !errors.Is(err, seal.ErrUnreadable) {
				t.Errorf("%s: learned: %v", name, err)
			}
			knows(t, b, "asana", learned)
			bad, n := b.Sources().Unreadable()
			if n != 1 || bad[0].Key != "notion" || bad[0].Why == "" || strings.Contains(bad[0].Why, "in-clear") {
				t.Errorf("%s: unreadable: %+v", name, bad)
			}
		}
		if n := strings.Count(c.lastLogs.String(), "cannot read a stored record"); n != 1 {
			t.Errorf("%s: logged %d times", name, n)
		}
	}
	if err := b.Sources().Forget(t.Context(), "notion"); err != nil {
		t.Fatal(err)
	}
	knows(t, b, "notion")
	if _, n := b.Sources().Unreadable(); n != 0 {
		t.Errorf("%d are unreadable after it was forgotten", n)
	}

	// Who may only write to the bucket can remove everything, and not that it is sealed.
	everything := &nats.Msg{Subject: "$KV." + topology.BucketSources + ".notion", Header: nats.Header{"Nats-Rollup": {"all"}}, Data: []byte(clear)}
	if _, err := c.js.PublishMsg(t.Context(), everything); err != nil {
		t.Fatal(err)
	}
	if _, err := c.start(t, bustest.AnotherKey).Sources().Get(t.Context(), "notion"); !errors.Is(err, seal.ErrUnreadable) {
		t.Errorf("after everything was removed: %v", err)
	}
}

// With a wrong key, or none, nothing is read and nothing learned, and the store is left as it is.
func TestWrongKeyOfSources(t *testing.T) {
	t.Parallel()
	c := newSealing(t)
	right := c.start(t, bustest.OneKey)
	learn(t, right, "asana", learned)
	before := c.stored(t, "asana")
	for _, keys := range [][]string{nil, {bustest.AnotherKey}} {
		b := c.start(t, keys...)
		_, read := b.Sources().Get(t.Context(), "asana")
		_, first := b.Sources().Learn(t.Context(), "notion", config.NewSecret("first"), "", time.Now())
		_, pair := b.Sources().Pair(t.Context(), "asana", time.Now().Add(time.Hour))
		forget := b.Sources().Forget(t.Context(), "asana")
		if !errors.Is(read, seal.ErrUnreadable) || !errors.Is(first, seal.ErrWrongKey) || !errors.Is(pair, seal.ErrWrongKey) || !errors.Is(forget, seal.ErrWrongKey) {
			t.Errorf("read %v, learn %v, pair %v, forget %v", read, first, pair, forget)
		}
		if bad, n := b.Sources().Unreadable(); n != 1 || bad[0].Key != "" {
			t.Errorf("unreadable: %+v", bad)
		}
		if _, err := b.Publish(t.Context(), bustest.Event(fmt.Sprint(len(keys)))); err != nil {
			t.Errorf("events are not stored: %v", err)
		}
	}
	if c.stored(t, "asana") != before {
		t.Error("the record was changed")
	}
	knows(t, c.start(t, bustest.OneKey), "asana", learned)
}

// learn lets a source pair and a sender hand its secret over.
func learn(t *testing.T, b *publish.Bus, source, secret string) {
	t.Helper()
	nonce, err := b.Sources().Pair(t.Context(), source, time.Now().Add(time.Hour))
	if err == nil {
		_, err = b.Sources().Learn(t.Context(), source, config.NewSecret(secret), nonce, time.Now())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A sender can't hand over what looks like a sealed secret: without a key, nothing could be read any more.
func TestLearnRefusesASeal(t *testing.T) {
	t.Parallel()
	b := bustest.Open(t, bustest.Settings(t))
	if _, err := b.Sources().Learn(t.Context(), "asana", config.NewSecret("jethook-sealed-v1.e86b415afc5b3389.AAAA"), "", time.Now()); err == nil {
		t.Error("learned")
	}
	learn(t, b, "asana", "right")
	knows(t, b, "asana", "right")
}

// FuzzDecodeSource shows that no record of a source panics, and that what is read is the same when it is stored again.
func FuzzDecodeSource(f *testing.F) {
	keys, err := keyring.New([]config.Secret{config.NewSecret(bustest.OneKey)})
	if err != nil {
		f.Fatal(err)
	}
	whole := sources.NewSources(keys, true)
	state, err := sources.NewSources(keys, false).DecodeSource("asana", []byte(fixture(f, "source-sealed-v1.json")))
	if err != nil || len(state.Secrets) != 1 || state.Secrets[0].Value.Reveal() != learned {
		f.Fatalf("got %+v, %v", state, err)
	}
	sealed, err := whole.EncodeSource("asana", state)
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{
		fixture(f, "source-sealed-v1.json"), string(sealed), `{"secrets":[{"value":"x","at":"2026-03-01T12:00:00Z"}],"pair_until":"2026-03-01T12:00:00Z"}`,
		`{"secrets":"x"}`, `{"secrets":[null]}`, "{}", "null", "[", strings.Repeat("[", 20_000), `{"secrets":[` + strings.Repeat(`{"value":"x"},`, 60) + `{}]}`,
	} {
		f.Add([]byte(seed), false)
		f.Add([]byte(seed), true)
	}
	f.Fuzz(func(t *testing.T, data []byte, sealed bool) {
		if sealed { // by who has the key
			data = fmt.Appendf(nil, `{"secrets":%q}`, keys.Seal(data, "record of source asana"))
		}
		for _, s := range []*sources.Sources{sources.NewSources(nil, false), sources.NewSources(keys, false), whole} {
			state, err := s.DecodeSource("asana", data)
			if err != nil {
				continue
			}
			again, err := whole.EncodeSource("asana", state)
			if err != nil { // a time that JSON has no form for
				continue
			}
			back, err := whole.DecodeSource("asana", again)
			if err != nil || len(back.Secrets) != len(state.Secrets) || !back.Pairing.Until.Equal(state.Pairing.Until) {
				t.Errorf("not the same after a round trip: %v\n%+v\n%+v", err, back, state)
			}
			for i := range back.Secrets {
				if back.Secrets[i].Value.Reveal() != state.Secrets[i].Value.Reveal() {
					t.Errorf("secret %d changed", i)
				}
			}
		}
	})
}
