//go:build !linux

package bench

import "time"

// What /proc tells on Linux is not measured elsewhere.

func cpuTime(int) *time.Duration { return nil }

func peakMemory(int) *int64 { return nil }

func inMemory(string) bool { return false }
