//go:build unix

package publish

import (
	"os"
	"syscall"
)

// lockDir takes an exclusive lock that ends with the process, however it ends. Two servers on one store
// would destroy it.
func lockDir(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
