package config

import (
	"strings"
	"testing"

	"jethook/config/quantity"
)

func TestNATSURL(t *testing.T) {
	t.Parallel()
	tests := []struct {
		urls string
		want string // a part of the reason; empty: no problem
	}{
		{"", ""},
		{"localhost", ""},
		{"user:sesame@localhost:4222", ""},
		{"nats://sesame@one:4222,tls://user:sesame@two/", ""},
		{"wss://user:sesame@host/nats?x=1", ""},
		{"http://user:sesame@host", "URL 1 has a scheme"},
		{"nats://one,nats://user:sesame%zz@host", "URL 2 is malformed"},
		{"nats://user:sesame/x@host", "URL 1 is malformed"},
		{"nats://user:1234/sesame@host", "URL 1 has more than a host and port"},
		{"nats://user:1234?sesame@host", "URL 1 has more than a host and port"},
		{"nats://:4222", "URL 1 is malformed"},
		{"nats://user:ses\x01ame@host", "URL 1 is malformed"},
	}
	for _, tt := range tests {
		var p Problems
		checkNATSURL(&p, tt.urls)
		got := p.Error()
		if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%q: %q, want %q", tt.urls, got, tt.want)
		}
		if strings.Contains(got, "sesame") || strings.Contains(got, "1234") {
			t.Errorf("%q: %q shows a password", tt.urls, got)
		}
	}
}

func TestMaxBodyOfASource(t *testing.T) {
	for text, want := range map[string]struct {
		largest quantity.Bytes
		reason  string
	}{
		"":      {8 << 20, ""},
		"25MiB": {25 << 20, ""},
		"4KiB":  {8 << 20, ""},
		"512":   {0, "512B is out of range: choose 1KiB to 64MiB"},
		"65MiB": {0, "65MiB is out of range"},
		"large": {0, `"large" is not a size`},
	} {
		setenv(t, map[string]string{"JETHOOK_SOURCES": "my-hub", "JETHOOK_SOURCE_MY_HUB_MAX_BODY": text})
		c, err := Load()
		switch {
		case want.reason != "":
			if err == nil || !strings.Contains(err.Error(), "JETHOOK_SOURCE_MY_HUB_MAX_BODY: "+want.reason) {
				t.Errorf("%q: %v", text, err)
			}
		case err != nil || c.LargestBody() != want.largest:
			t.Errorf("%q: %v, largest %s", text, err, c.LargestBody())
		}
	}
}
