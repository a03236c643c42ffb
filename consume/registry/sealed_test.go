package registry_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"jethook/config"
	"jethook/config/keyring"
	"jethook/consume/endpoint"
	"jethook/consume/endpoint/signing"
	"jethook/consume/registry"
	"jethook/publish"
	"jethook/publish/seal"
)

const (
	oneKey     = "one-key-of-the-tests-0123456789ab"
	anotherKey = "another-key-of-the-tests-01234567"
)

func ring(t testing.TB, keys ...string) *keyring.Keyring {
	t.Helper()
	var secrets []config.Secret
	for _, key := range keys {
		secrets = append(secrets, config.NewSecret(key))
	}
	k, err := keyring.New(secrets)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// confidentialEndpoint has something in each place that must not be read.
func confidentialEndpoint(t *testing.T) endpoint.Endpoint {
	t.Helper()
	e, err := endpoint.New(&endpoint.Spec{
		Name: new("Orders"), URL: new("https://example.com/hook?k=v"), Events: []string{"events.order.*", "webhooks.polar.>"},
		Secret: new("Geheimnis-1"), Headers: map[string]string{"Authorization": "Basic R2VoZWltbmlz", "X-Team": "Geheimnis-2"},
	}, endpoint.NewAddressPolicy(nil), testNow)
	if err != nil {
		t.Fatal(err)
	}
	e.Request = "hash-of-Geheimnis-1"
	rotated, err := e.Rotated(signing.Secret{Value: config.NewSecret("Geheimnis-3"), Request: "hash-of-Geheimnis-3"}, time.Hour, testNow)
	if err != nil {
		t.Fatal(err)
	}
	return rotated
}

// Nobody without the key reads anything of a sealed endpoint, or changes anything of it, such as where its secret is
// sent.
func TestEncodeSealsTheWholeRecord(t *testing.T) {
	t.Parallel()
	e := confidentialEndpoint(t)
	data, err := endpoint.Encode(e, ring(t, oneKey))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"Geheimnis", "R2VoZWltbmlz", "Authorization", "hash-of", "example.com", "events.order", "Orders"} {
		if strings.Contains(string(data), text) {
			t.Errorf("%s in %s", text, data)
		}
	}
	back, err := endpoint.Decode(e.ID, data, ring(t, anotherKey, oneKey), true)
	if err != nil {
		t.Fatal(err)
	}
	if !same(back, e) {
		t.Errorf("got  %+v\nwant %+v", back, e)
	}
	// What stands beside the seal counts for nothing.
	beside := strings.Replace(string(data), `{"id"`, `{"url":"https://evil.example","secrets":[{"value":"known-to-all"}],"id"`, 1)
	if back, err := endpoint.Decode(e.ID, []byte(beside), ring(t, oneKey), true); err != nil || !same(back, e) {
		t.Errorf("got %+v, %v", back, err)
	}

	const otherID = "ep_aaaaaaaaaaaaaaaaaaaa"
	other := strings.ReplaceAll(string(data), e.ID, otherID)
	clear, err := endpoint.Encode(e, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		id, data string
		keys     *keyring.Keyring
		want     error
	}{
		"another key":             {e.ID, string(data), ring(t, anotherKey), keyring.ErrNoKey},
		"no key":                  {e.ID, string(data), nil, keyring.ErrNoKey},
		"of another's endpoint":   {otherID, other, ring(t, oneKey), keyring.ErrTampered},
		"under another's key":     {otherID, string(data), ring(t, oneKey), keyring.ErrTampered},
		"as if of before":         {e.ID, strings.Replace(string(data), `"whole":true`, `"whole":false`, 1), ring(t, oneKey), seal.ErrUnsealed},
		"changed":                 {e.ID, string(data[:len(data)-6]) + "AAAA\"}", ring(t, oneKey), keyring.ErrTampered},
		"in clear, with a key":    {e.ID, string(clear), ring(t, oneKey), seal.ErrUnsealed},
		"something else's seal":   {e.ID, `{"id":"` + e.ID + `","whole":true,"sealed":"` + ring(t, oneKey).Seal(clear, "endpoint "+e.ID) + `"}`, ring(t, oneKey), keyring.ErrTampered},
		"a seal that is none":     {e.ID, `{"id":"` + e.ID + `","whole":true,"sealed":"x"}`, nil, keyring.ErrNotSealed},
		"a part that is not one":  {e.ID, `{"id":"` + e.ID + `","sealed":"x"}`, nil, keyring.ErrNotSealed},
		"sealed, and another's":   {e.ID, `{"whole":true,"sealed":"` + ring(t, oneKey).Seal([]byte(strings.ReplaceAll(string(clear), e.ID, otherID)), "endpoint record "+e.ID) + `"}`, ring(t, oneKey), seal.ErrUnreadable},
		"in clear, under another": {otherID, string(clear), nil, seal.ErrUnreadable},
	} {
		_, err := endpoint.Decode(c.id, []byte(c.data), c.keys, c.keys != nil)
		if !errors.Is(err, seal.ErrUnreadable) || !errors.Is(err, c.want) || strings.Contains(err.Error(), "Geheim") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// fixture is a record that the release before wrote: with its seal, which covers secrets and headers, or without a key.
func fixture(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(data))
}

const fixtureID = "ep_aaaaaaaaaaaaaaaaaaaa"

// Records of the release before open, until all are sealed whole: after that, what it left unsealed could be forged.
func TestRecordsOfTheReleaseBefore(t *testing.T) {
	t.Parallel()
	want := confidentialEndpoint(t)
	want.ID = fixtureID
	for name, keys := range map[string]*keyring.Keyring{"sealed-v1.json": ring(t, oneKey), "clear.json": nil} {
		data := fixture(t, name)
		if got, err := endpoint.Decode(fixtureID, []byte(data), keys, false); err != nil || !same(got, want) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		moved := strings.Replace(data, "example.com", "evil.example", 1)
		if _, err := endpoint.Decode(fixtureID, []byte(moved), ring(t, oneKey), true); !errors.Is(err, seal.ErrUnsealed) {
			t.Errorf("%s, moved: %v", name, err)
		}
	}
}

// same compares two endpoints with their secrets.
func same(a, b endpoint.Endpoint) bool {
	equal := slices.EqualFunc(a.Secrets, b.Secrets, func(x, y signing.Secret) bool {
		return x.Value.Reveal() == y.Value.Reveal() && x.Expires.Equal(y.Expires) && x.Request == y.Request
	})
	a.Secrets, b.Secrets = nil, nil
	return equal && reflect.DeepEqual(a, b)
}

// stored returns what the bucket holds of an endpoint.
func stored(t *testing.T, bus *publish.Bus, id string) string {
	t.Helper()
	entry, err := bus.Buckets().Endpoints.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return string(entry.Value())
}

func openWith(t *testing.T, bus *publish.Bus, keys *keyring.Keyring) (*registry.Registry, error) {
	t.Helper()
	return registry.Open(t.Context(), bus.Buckets().Endpoints, keys, slog.New(slog.DiscardHandler))
}

// plant writes a record as somebody does who reaches the bucket.
func plant(t testing.TB, bus *publish.Bus, id, data string) {
	t.Helper()
	if _, err := bus.Buckets().Endpoints.Put(t.Context(), id, []byte(data)); err != nil {
		t.Fatal(err)
	}
}

// Each start seals what is not sealed by the first key.
func TestRegistrySealsWhatIsStored(t *testing.T) {
	t.Parallel()
	bus := openBus(t)
	e := confidentialEndpoint(t)
	must := func(keys *keyring.Keyring) *registry.Registry {
		t.Helper()
		r, err := openWith(t, bus, keys)
		if err != nil {
			t.Fatal(err)
		}
		got, err := r.Get(t.Context(), e.ID)
		if err != nil || got.Secrets[0].Value.Reveal() != "Geheimnis-3" || got.Headers["X-Team"] != "Geheimnis-2" || got.Edition != e.Edition || !got.UpdatedAt.Equal(e.UpdatedAt) {
			t.Fatalf("got %+v, %v", got, err)
		}
		if seen, ok := r.Lookup(e.ID); !ok || seen.Revision != got.Revision {
			t.Errorf("the registry holds revision %d, the bucket %d", seen.Revision, got.Revision)
		}
		return r
	}
	plain, err := openWith(t, bus, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := plain.Create(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(stored(t, bus, e.ID), "Geheimnis") {
		t.Fatal("sealed without a key: the test sees nothing")
	}
	plant(t, bus, fixtureID, fixture(t, "sealed-v1.json"))
	must(ring(t, oneKey))
	sealed := stored(t, bus, e.ID)
	for _, data := range []string{sealed, stored(t, bus, fixtureID)} {
		if strings.Contains(data, "Geheimnis") || strings.Contains(data, "example.com") {
			t.Errorf("in clear: %s", data)
		}
	}
	must(ring(t, oneKey))
	if stored(t, bus, e.ID) != sealed {
		t.Error("sealed anew without a reason")
	}
	must(ring(t, anotherKey, oneKey))
	must(ring(t, anotherKey))
}

// A start that was killed after it sealed some endpoints is done again.
func TestSealingGoesOnAfterAKill(t *testing.T) {
	t.Parallel()
	bus := openBus(t)
	e := confidentialEndpoint(t)
	sealed, err := endpoint.Encode(e, ring(t, oneKey))
	if err != nil {
		t.Fatal(err)
	}
	plant(t, bus, e.ID, string(sealed))
	plant(t, bus, fixtureID, fixture(t, "clear.json"))
	r, err := openWith(t, bus, ring(t, oneKey))
	if err != nil || len(r.All()) != 2 {
		t.Fatalf("%d endpoints are left, %v", len(r.All()), err)
	}
}

// Once there is a key, an unsealed record counts for nothing, also after a restart, and whatever is written to the
// bucket in between.
func TestUnsealedRecordsAreRefused(t *testing.T) {
	t.Parallel()
	bus := openBus(t)
	if _, err := openWith(t, bus, ring(t, oneKey)); err != nil { // the bucket is empty
		t.Fatal(err)
	}
	moved := strings.Replace(fixture(t, "sealed-v1.json"), "example.com", "evil.example", 1)
	clear := strings.ReplaceAll(fixture(t, "clear.json"), fixtureID, "ep_bbbbbbbbbbbbbbbbbbbb")
	check := func(what, key string) {
		t.Helper()
		plant(t, bus, fixtureID, moved)
		plant(t, bus, "ep_bbbbbbbbbbbbbbbbbbbb", clear)
		r, err := openWith(t, bus, ring(t, key))
		if err != nil {
			t.Fatal(err)
		}
		bad, n := r.Unreadable()
		if len(r.All()) != 0 || n != 2 || bad[0].Key != fixtureID || !strings.Contains(bad[0].Why, "not sealed") || !r.IsUnreadable(fixtureID) {
			t.Errorf("%s: %d endpoints are taken, unreadable: %+v", what, len(r.All()), bad)
		}
		if _, err := r.Get(t.Context(), fixtureID); !errors.Is(err, seal.ErrUnsealed) {
			t.Errorf("%s: %v", what, err)
		}
	}
	check("after a start", oneKey)
	for _, id := range []string{fixtureID, "ep_bbbbbbbbbbbbbbbbbbbb"} {
		if err := bus.Buckets().Endpoints.Purge(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	check("after everything was removed", oneKey)
	if _, err := openWith(t, bus, ring(t, anotherKey, oneKey)); err != nil {
		t.Fatal(err)
	}
	check("after the key was changed", anotherKey)
}

// With a wrong key, or none, the registry is locked: it changes nothing and its process must not take events.
func TestWrongKeyLocksTheRegistry(t *testing.T) {
	t.Parallel()
	bus := openBus(t)
	right, err := openWith(t, bus, ring(t, oneKey))
	if err != nil {
		t.Fatal(err)
	}
	e, err := right.Create(t.Context(), confidentialEndpoint(t))
	if err != nil {
		t.Fatal(err)
	}
	before := stored(t, bus, e.ID)
	for name, keys := range map[string]*keyring.Keyring{"removed": nil, "wrong": ring(t, anotherKey)} {
		r, err := openWith(t, bus, keys)
		if err != nil {
			t.Fatal(err)
		}
		bad, n := r.Unreadable()
		if err := r.Locked(); !errors.Is(err, seal.ErrWrongKey) || !strings.Contains(err.Error(), "JETHOOK_ENCRYPTION_KEY") || n != 1 || bad[0].Key != "" {
			t.Errorf("%s: %v, %+v", name, err, bad)
		}
		other := confidentialEndpoint(t)
		_, created := r.Create(t.Context(), other)
		_, updated := r.Update(t.Context(), e.ID, func(*endpoint.Endpoint) error { return nil })
		if !errors.Is(created, seal.ErrWrongKey) || !errors.Is(updated, seal.ErrUnreadable) || !errors.Is(r.Delete(t.Context(), e.ID), seal.ErrWrongKey) {
			t.Errorf("%s: create %v, update %v", name, created, updated)
		}
	}
	if stored(t, bus, e.ID) != before {
		t.Error("the record was changed")
	}
	if r, err := openWith(t, bus, ring(t, oneKey)); err != nil || r.Locked() != nil || len(r.All()) != 1 {
		t.Errorf("with the right key: %v", err)
	}
}

// A process without the key that another one has sealed the bucket by stops: it would pass over the events of endpoints
// that the other one makes. A record that somebody plants doesn't stop it.
func TestRunStopsWhenAnotherProcessSeals(t *testing.T) {
	t.Parallel()
	bus := openBus(t)
	behind, err := openWith(t, bus, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	changes := make(chan registry.Change, 10)
	ended := make(chan error, 1)
	go func() { ended <- behind.Run(ctx, bus.Queues().Restored, func(c registry.Change) { changes <- c }) }()
	planted, err := endpoint.Encode(confidentialEndpoint(t), ring(t, anotherKey))
	if err != nil {
		t.Fatal(err)
	}
	plant(t, bus, "ep_planted", string(planted))
	plant(t, bus, fixtureID, fixture(t, "clear.json"))
	if c := told(t, changes); c.After.ID != fixtureID || !behind.IsUnreadable("ep_planted") {
		t.Errorf("told %+v", c)
	}
	ahead, err := openWith(t, bus, ring(t, oneKey))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ahead.Create(t.Context(), confidentialEndpoint(t)); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, seal.ErrWrongKey) {
		t.Errorf("Run ended with %v", err)
	}
}

// An id is used once: who makes an endpoint again by the same id learns that it is there, or was.
func TestCreateOnlyOnce(t *testing.T) {
	t.Parallel()
	bus := openBus(t)
	r, _ := process(t, bus)
	e := newEndpoint(t, "events.>")
	e.ID = endpoint.IDOf("a key")
	if e.ID != endpoint.IDOf("a key") || e.ID == endpoint.IDOf("a key ") {
		t.Error("the id does not follow from the key")
	}
	if _, err := r.Create(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Create(t.Context(), e); !errors.Is(err, registry.ErrExists) {
		t.Errorf("a second time: %v", err)
	}
	refuse := errors.New("no")
	if err := r.DeleteIf(t.Context(), e.ID, func(*endpoint.Endpoint) error { return refuse }); !errors.Is(err, refuse) {
		t.Errorf("removed against an objection: %v", err)
	}
	if err := r.Delete(t.Context(), e.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Create(t.Context(), e); !errors.Is(err, registry.ErrExists) {
		t.Errorf("after it was removed: %v", err)
	}
}
