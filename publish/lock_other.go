//go:build !unix

package publish

import "os"

// lockDir opens the lock file only: this system has no lock that ends with the process.
func lockDir(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
}
