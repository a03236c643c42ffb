//go:build unix

package config

import "syscall"

// Descriptors is how many files and connections this process may have open. Go has raised it to the most that the system allows.
func Descriptors() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return MostDescriptors
	}
	return int(min(uint64(limit.Cur), MostDescriptors))
}
