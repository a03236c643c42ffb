package main

import (
	"errors"
	"math"
	"runtime/debug"
	"testing"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// It changes the limit of the process and its environment, so it can't run beside others.
func TestMemoryLimit(t *testing.T) {
	none := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(none)
	unreadable := func() (uint64, error) { return 0, errors.New("no cgroup") }
	for name, test := range map[string]struct {
		container memlimit.Provider
		env       string
		want      int64
	}{
		"a container's":         {memlimit.Limit(500 << 20), "", 450<<20 + int64(len(ballast))},
		"no container's":        {unreadable, "", none},
		"a container's without": {memlimit.Limit(math.MaxUint64), "", none},
		"the operator's":        {memlimit.Limit(500 << 20), "1GiB", none},
	} {
		t.Setenv("GOMEMLIMIT", test.env)
		debug.SetMemoryLimit(none)
		limitMemory(test.container)
		if got := debug.SetMemoryLimit(-1); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
}
