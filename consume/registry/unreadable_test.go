package registry_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"jethook/config/keyring"
	"jethook/consume/endpoint"
	"jethook/consume/registry"
	"jethook/publish/seal"
)

// badRecords are records that no release wrote, for the endpoint of the fixture.
func badRecords(t testing.TB) map[string]string {
	good := fixture(t, "clear.json")
	with := func(old, with string) string {
		t.Helper()
		changed := strings.Replace(good, old, with, 1)
		if changed == good {
			t.Fatalf("%s is not in %s", old, good)
		}
		return changed
	}
	many := func(n int, each string) string {
		items := make([]string, n)
		for i := range items {
			items[i] = fmt.Sprintf(each, i)
		}
		return strings.Join(items, ",")
	}
	return map[string]string{
		"empty":                 "",
		"null":                  "null",
		"cut off":               good[:len(good)/2],
		"a seal that is none":   `{"sealed":"x"}`,
		"whole, and not sealed": `{"whole":true,"sealed":"x"}`,
		"an array":              "[" + good + "]",
		"brackets":              strings.Repeat("[", 1<<20),
		"a megabyte":            with(`"name":"Orders"`, `"name":"`+strings.Repeat("x", 1<<20)+`"`),
		"three megabytes":       with(`"name":"Orders"`, `"name":"Orders","x":"`+strings.Repeat("x", 3<<20)+`"`),
		"another id":            with(fixtureID, "ep_bbbbbbbbbbbbbbbbbbbb"),
		"id of all":             with(fixtureID, "*"),
		"id with a dot":         with(fixtureID, "ep_a.b"),
		"no name":               with(`"Orders"`, `""`),
		"name that moves":       with(`"Orders"`, `"a\u001b[31m"`),
		"scheme":                with("https://example.com/hook?k=v", "file:///etc/passwd"),
		"no host":               with("https://example.com/hook?k=v", "https:///x"),
		"login in the URL":      with("https://example.com", "https://u:p@example.com"),
		"no pattern":            with(`["events.order.*","webhooks.polar.\u003e"]`, `[]`),
		"pattern of retries":    with("events.order.*", "jethook.due.*"),
		"pattern of all":        with("events.order.*", "\u003e"),
		"pattern with a space":  with("events.order.*", "events.order *"),
		"pattern twice":         with("webhooks.polar.\\u003e", "events.order.*"),
		"many patterns":         with(`"events.order.*"`, many(101, `"events.x%d"`)),
		"no format":             with(`"raw"`, `""`),
		"unknown format":        with(`"raw"`, `"xml"`),
		"no scheme":             with(`"scheme":"standard"`, `"header":"X-A"`),
		"reserved signature":    with(`"scheme":"standard"`, `"scheme":"hmac","header":"Content-Length"`),
		"many headers":          with(`"X-Team"`, many(60, `"X-%d":"a"`)+`,"X-Team"`),
		"header of two lines":   with("Geheimnis-2", "a\\r\\nX-B: c"),
		"reserved header":       with("X-Team", "Host"),
		"name of a header":      with("X-Team", "X Team"),
		"negative pause":        with(`"disabled"`, `"retry_schedule":["-5m"],"disabled"`),
		"many pauses":           with(`"disabled"`, `"retry_schedule":[`+many(21, `"%dm"`)+`],"disabled"`),
		"negative timeout":      with(`"disabled"`, `"timeout":"-1s","disabled"`),
		"long timeout":          with(`"disabled"`, `"timeout":"1000h","disabled"`),
		"negative concurrency":  with(`"disabled"`, `"concurrency":-1,"disabled"`),
		"huge concurrency":      with(`"disabled"`, `"concurrency":1000000000,"disabled"`),
		"no rate":               with(`"disabled"`, `"rate_limit":"0/s","disabled"`),
		"no secret":             with(`"secrets"`, `"none"`),
		"empty secret":          with("Geheimnis-3", ""),
		"short secret":          with("Geheimnis-1\",\"expires", "x\",\"expires"),
		"secret of two lines":   with("Geheimnis-3", "Geheimnis\\n3"),
		"long reason":           with(`"disabled"`, `"disabled_reason":"`+strings.Repeat("x", 2000)+`","disabled"`),
	}
}

// A record that can't be read is named, logged once, and stops nothing.
func TestBadRecordsArePassedOver(t *testing.T) {
	t.Parallel()
	bus := openBus(t)
	good := newEndpoint(t, "events.>")
	first, _ := process(t, bus)
	if _, err := first.Create(t.Context(), good); err != nil {
		t.Fatal(err)
	}
	var keys []string
	for name, data := range badRecords(t) {
		id := fixtureID
		if !strings.Contains(name, "id") {
			id = fmt.Sprintf("ep_%020d", len(keys))
			data = strings.ReplaceAll(data, fixtureID, id)
		}
		t.Run(name, func(t *testing.T) {
			_, err := endpoint.Decode(id, []byte(data), nil, false)
			if !errors.Is(err, seal.ErrUnreadable) || strings.Contains(err.Error(), "Geheimnis") {
				t.Errorf("got %v", err)
			}
		})
		if id != fixtureID {
			plant(t, bus, id, data)
			keys = append(keys, id)
		}
	}
	plant(t, bus, "not.an.endpoint", fixture(t, "clear.json"))
	var log bytes.Buffer
	r, err := registry.Open(t.Context(), bus.Buckets().Endpoints, nil, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if got := matches(r, "events.order.x"); len(got) != 1 || got[0] != good.ID {
		t.Errorf("matches %v", got)
	}
	named, n := r.Unreadable()
	if n != len(keys)+1 || len(named) != 20 {
		t.Errorf("%d are unreadable, %d of them named, want %d", n, len(named), len(keys)+1)
	}
	for _, id := range keys {
		if !r.IsUnreadable(id) || strings.Count(log.String(), id+" ") != 1 {
			t.Errorf("%s is logged %d times", id, strings.Count(log.String(), id+" "))
		}
	}
	for _, u := range named {
		if u.Why == "" || len(u.Why) > 400 || strings.Contains(u.Why, "Geheimnis") {
			t.Errorf("%s: %q", u.Key, u.Why)
		}
	}
}

// An endpoint whose record is spoilt stays as it was last read, until its process ends. It can be removed, and is back
// when the record is.
func TestSpoiltRecord(t *testing.T) {
	t.Parallel()
	bus := openBus(t)
	r, changes := process(t, bus)
	spoilt, err := r.Create(t.Context(), newEndpoint(t, "events.a"))
	if err != nil {
		t.Fatal(err)
	}
	told(t, changes)
	before := stored(t, bus, spoilt.ID)
	plant(t, bus, spoilt.ID, before[:100])
	other, err := r.Create(t.Context(), newEndpoint(t, "events.b"))
	if err != nil {
		t.Fatal(err)
	}
	if c := told(t, changes); c.After.ID != other.ID {
		t.Errorf("told %+v", c)
	}
	if got := matches(r, "events.a"); len(got) != 1 {
		t.Errorf("matches %v", got)
	}
	if _, err := r.Update(t.Context(), spoilt.ID, func(*endpoint.Endpoint) error { return nil }); !errors.Is(err, seal.ErrUnreadable) {
		t.Errorf("update: %v", err)
	}
	plant(t, bus, spoilt.ID, before)
	if c := told(t, changes); c.After.ID != spoilt.ID || r.IsUnreadable(spoilt.ID) {
		t.Errorf("told %+v, unreadable: %v", c, r.IsUnreadable(spoilt.ID))
	}
	plant(t, bus, spoilt.ID, "{")
	if err := r.Delete(t.Context(), spoilt.ID); err != nil {
		t.Errorf("delete: %v", err)
	}
	if c := told(t, changes); c.After != nil || c.Before.ID != spoilt.ID {
		t.Errorf("told %+v", c)
	}
}

// FuzzDecode shows that no record panics, and that what is taken is an endpoint like those of the API.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(fixture(f, "clear.json")), false)
	f.Add([]byte(fixture(f, "sealed-v1.json")), false)
	for _, data := range badRecords(f) {
		if len(data) < 1<<16 {
			f.Add([]byte(data), false)
			f.Add([]byte(data), true)
		}
	}
	keys := ring(f, oneKey)
	f.Fuzz(func(t *testing.T, data []byte, sealed bool) {
		if sealed { // by who has the key
			data = []byte(`{"whole":true,"sealed":"` + keys.Seal(data, "endpoint record "+fixtureID) + `"}`)
		}
		for _, ring := range []*keyring.Keyring{nil, keys} {
			e, err := endpoint.Decode(fixtureID, data, ring, sealed)
			if err != nil {
				if !errors.Is(err, seal.ErrUnreadable) || len(err.Error()) > 1<<20 {
					t.Errorf("got %v", err)
				}
				continue
			}
			again, err := endpoint.Encode(e, keys)
			if err != nil {
				t.Fatal(err)
			}
			if back, err := endpoint.Decode(fixtureID, again, keys, true); err != nil || !same(back, e) {
				t.Errorf("not the same after a round trip: %v\n%+v\n%+v", err, back, e)
			}
			// The API takes it, too.
			name, url, secret, scheme := e.Name, e.URL, e.Secrets[0].Value.Reveal(), endpoint.SignatureSpec{Scheme: string(e.Signature.Scheme), Header: e.Signature.Header}
			_, err = e.With(&endpoint.Spec{Name: &name, URL: &url, Events: e.Events, Headers: e.Headers, Signature: &scheme, Secret: &secret}, nil, testNow)
			if err != nil {
				t.Errorf("the API refuses it: %v", err)
			}
		}
	})
}
