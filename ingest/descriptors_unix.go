//go:build unix

package ingest

import "syscall"

// descriptors is how many files and connections this process may have open. Go has raised it to the most that the system allows.
func descriptors() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 2 * mostConnections
	}
	return int(min(uint64(limit.Cur), 2*mostConnections))
}
