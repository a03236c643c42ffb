package config

import (
	"fmt"
	"strings"
	"testing"
)

func TestEgressProxy(t *testing.T) {
	for value, want := range map[string]string{
		"":                                   "",
		"http://proxy.internal":              "http://proxy.internal:80",
		"http://user:geheim@proxy:3128/":     "http://user:geheim@proxy:3128/",
		"https://proxy":                      "https://proxy:443",
		"socks5://[::1]":                     "socks5://[::1]:1080",
		"proxy:3128":                         "!",
		"ftp://user:geheim@proxy":            "!",
		"http://user:geheim@proxy:3128/path": "!",
		"http://user:ge%heim@proxy":          "!",
		"http://":                            "!",
	} {
		setenv(t, map[string]string{"JETHOOK_EGRESS_PROXY": value})
		c, err := Load()
		if want == "!" {
			if err == nil || !strings.HasPrefix(err.Error(), "JETHOOK_EGRESS_PROXY: ") || strings.Contains(err.Error(), "heim") {
				t.Errorf("%s: %v", value, err)
			}
			continue
		}
		got := ""
		if u := c.Proxy(); u != nil {
			got = u.String()
		}
		if err != nil || got != want || strings.Contains(fmt.Sprintf("%+v", c), "geheim") {
			t.Errorf("%q: got %q, %v", value, got, err)
		}
	}
}
