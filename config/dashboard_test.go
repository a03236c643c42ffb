package config

import (
	"slices"
	"testing"
)

func TestDashboardSettings(t *testing.T) {
	for name, value := range map[string]string{
		"JETHOOK_ADMIN_READ_TOKEN": "too-short",
		"JETHOOK_ADMIN_HOSTS":      "https://jethook.internal",
		"JETHOOK_ADMIN_BASE_PATH":  "jethook",
		"JETHOOK_PUBLIC_URL":       "hooks.example.com",
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, value)
			_, err := Load()
			problems, _ := err.(Problems)
			if !problems.has(name) {
				t.Errorf("%s=%s: %v", name, value, err)
			}
		})
	}
	t.Run("right", func(t *testing.T) {
		t.Setenv("JETHOOK_ADMIN_READ_TOKEN", "a-token-that-only-reads")
		t.Setenv("JETHOOK_ADMIN_HOSTS", "jethook.internal, 10.0.0.7, [::1]")
		t.Setenv("JETHOOK_ADMIN_BASE_PATH", "/tools/jethook/")
		t.Setenv("JETHOOK_PUBLIC_URL", "https://hooks.example.com/in")
		c, err := Load()
		if err != nil {
			t.Fatal(err)
		}
		if c.AdminBasePath != "/tools/jethook" || !slices.Equal(c.AdminHosts, []string{"jethook.internal", "10.0.0.7", "[::1]"}) {
			t.Errorf("read %q and %q", c.AdminBasePath, c.AdminHosts)
		}
	})
	t.Run("one token for both", func(t *testing.T) {
		t.Setenv("JETHOOK_ADMIN_TOKEN", "the-same-token-for-both")
		t.Setenv("JETHOOK_ADMIN_READ_TOKEN", "the-same-token-for-both")
		if _, err := Load(); err == nil {
			t.Error("a token that reads must not be the one that writes")
		}
	})
}

func TestBasePathsThatAreNone(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"jethook", "//jethook", "/a/../b", "/a b", "/a?b", "/\"><script>"} {
		var b BasePath
		if b.UnmarshalText([]byte(text)) == nil {
			t.Errorf("%q is taken", text)
		}
	}
	for text, want := range map[string]BasePath{"": "", "/": "", "/x": "/x", "/x/y.z/": "/x/y.z"} {
		var b BasePath
		if err := b.UnmarshalText([]byte(text)); err != nil || b != want {
			t.Errorf("%q: %q, %v", text, b, err)
		}
	}
}
