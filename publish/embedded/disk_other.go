//go:build !unix

package embedded

import (
	"math"
	"os"
)

// lockDir opens the lock file only: this system has no lock that ends with the process.
func lockDir(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
}

func lockFile(*os.File) error { return nil }

// freeBytes says that there is room: this system has no call for it that others have too.
func freeBytes(string) uint64 { return math.MaxUint64 }

// syncPath does nothing: this system syncs neither folders nor files that are open for reading.
func syncPath(string) error { return nil }
