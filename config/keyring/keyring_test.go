package keyring

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"jethook/config"
)

const (
	redacted  = "<secret>"
	firstKey  = "first-key-of-the-tests-0123456789"
	secondKey = "second-key-of-the-tests-012345678"
)

func ring(t *testing.T, keys ...string) *Keyring {
	t.Helper()
	var secrets []config.Secret
	for _, key := range keys {
		secrets = append(secrets, config.NewSecret(key))
	}
	k, err := New(secrets)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestSealAndOpen(t *testing.T) {
	t.Parallel()
	k := ring(t, firstKey)
	sealed := k.Seal([]byte("whsec_geheim"), "endpoint ep_1")
	if strings.Contains(sealed, "geheim") || sealed == k.Seal([]byte("whsec_geheim"), "endpoint ep_1") {
		t.Errorf("not sealed, or twice to the same text: %s", sealed)
	}
	if plain, err := k.Open(sealed, "endpoint ep_1"); err != nil || string(plain) != "whsec_geheim" {
		t.Errorf("got %q, %v", plain, err)
	}
	changed := strings.Repeat("A", 8)
	if strings.HasSuffix(sealed, changed) {
		t.Fatal("the tag ends as the changed one does")
	}
	changed = sealed[:len(sealed)-8] + changed
	for _, c := range []struct {
		name, sealed, place string
		ring                *Keyring
		want                error
	}{
		{"of another record", sealed, "endpoint ep_2", k, ErrTampered},
		{"changed", changed, "endpoint ep_1", k, ErrTampered},
		{"cut", sealed[:len(sealed)-8], "endpoint ep_1", k, ErrTampered},
		{"cut to the nonce", sealed[:len(sealMark)+2*keyIDBytes+6], "endpoint ep_1", k, ErrTampered},
		{"another key", sealed, "endpoint ep_1", ring(t, secondKey), ErrNoKey},
		{"no key", sealed, "endpoint ep_1", ring(t), ErrNoKey},
		{"no ring", sealed, "endpoint ep_1", nil, ErrNoKey},
		{"plain", "whsec_geheim", "endpoint ep_1", k, ErrNotSealed},
		{"empty", "", "endpoint ep_1", k, ErrNotSealed},
		{"not base64", sealed + "!", "endpoint ep_1", k, ErrNotSealed},
	} {
		if plain, err := c.ring.Open(c.sealed, c.place); !errors.Is(err, c.want) || plain != nil {
			t.Errorf("%s: %q, %v", c.name, plain, err)
		}
	}
}

// The first key seals and all open: that is how a key is changed.
func TestKeysCanBeChanged(t *testing.T) {
	t.Parallel()
	old, both := ring(t, firstKey), ring(t, secondKey, firstKey)
	sealed := old.Seal([]byte("x"), "here")
	if plain, err := both.Open(sealed, "here"); err != nil || string(plain) != "x" || both.IsCurrent(sealed) || !old.IsCurrent(sealed) {
		t.Errorf("got %q, %v", plain, err)
	}
	again := both.Seal([]byte("x"), "here")
	if _, err := old.Open(again, "here"); !errors.Is(err, ErrNoKey) || !both.IsCurrent(again) {
		t.Errorf("not sealed by the first key: %v", err)
	}
}

// What is stored today must open for ever: this was sealed once, and is here as it was.
func TestStoredFormat(t *testing.T) {
	t.Parallel()
	const stored = "jethook-sealed-v1.38cfd35a046a5c83.9MfEBh8f__q_XtL3nWHAgUX4ur7RtyCgOvav8uhmZ8NqSZPWnVQOMw"
	if plain, err := ring(t, firstKey).Open(stored, "endpoint ep_1"); err != nil || string(plain) != "whsec_geheim" {
		t.Errorf("got %q, %v", plain, err)
	}
}

func TestKeyringIsNeverPrinted(t *testing.T) {
	t.Parallel()
	k := ring(t, firstKey)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x"} {
		if got := fmt.Sprintf(verb, k); got != redacted {
			t.Errorf("%s prints %s", verb, got)
		}
	}
	var out strings.Builder
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "keys", k)
	if !strings.Contains(out.String(), "keys="+redacted) {
		t.Errorf("logged as %s", out.String())
	}
}
