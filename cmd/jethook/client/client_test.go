package client

import (
	"testing"
)

func TestURLOf(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		":8081": "http://127.0.0.1:8081", "0.0.0.0:8081": "http://127.0.0.1:8081", "[::]:8081": "http://127.0.0.1:8081",
		"127.0.0.1:8081": "http://127.0.0.1:8081", "10.0.0.7:80": "http://10.0.0.7:80", "[::1]:8081": "http://[::1]:8081",
		"jethook": "http://jethook", "https://jethook.example/admin/": "https://jethook.example/admin",
	} {
		if got := URLOf(address); got != want {
			t.Errorf("%s: got %s, want %s", address, got, want)
		}
	}
}
