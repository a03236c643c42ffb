package server

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
)

// Tests that start children start this binary, which then plays a Jethook that fails.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		for i := range 20 {
			fmt.Fprintln(os.Stderr, "line", i)
		}
		fmt.Fprintln(os.Stderr, "JETHOOK_SECRET_OF_USER:", os.Getenv("JETHOOK_SECRET_OF_USER"), "sync:", os.Getenv("JETHOOK_SYNC"))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func TestStartShowsWhatTheChildSaidLast(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	t.Setenv("JETHOOK_SECRET_OF_USER", "not for the child")
	_, err := Start(t.Context(), "serve", "JETHOOK_SYNC=2m")
	if !errors.Is(err, ErrNotStarted) {
		t.Fatalf("got %v", err)
	}
	for text, want := range map[string]bool{
		"line 19\n": true, "line 11\n": true, "line 10\n": false, "not for the child": false, "sync: 2m": true,
	} {
		if strings.Contains(err.Error(), text) != want {
			t.Errorf("%q in the error: want %v: %v", text, want, err)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left: %v %v", left, err)
	}
}
