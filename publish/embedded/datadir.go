package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// dataNames are what Jethook writes, moves and removes in DATA_DIR.
var dataNames = []string{"lock", "deaths", "jetstream", "encrypting", "encrypted", "restoring", "restored", "store-key", "store-key.new", "admin-token", "nats-admin-token"}

// ErrLink means that DATA_DIR holds a symbolic link where Jethook keeps something. DATA_DIR itself may be one.
var ErrLink = errors.New("is a symbolic link: what it points to would be changed or removed")

// refuseLinks keeps Jethook, and the server, within dir: a copy that was restored from somewhere may hold links to
// anywhere. Those that Jethook makes itself stay.
func refuseLinks(dir string) error {
	for _, name := range dataNames {
		err := filepath.WalkDir(filepath.Join(dir, name), func(path string, d fs.DirEntry, err error) error {
			switch {
			case errors.Is(err, fs.ErrNotExist): // or it went this moment
				return nil
			case err != nil:
				return fmt.Errorf("looking for links in JETHOOK_DATA_DIR: %w", err)
			case d.Type()&fs.ModeSymlink != 0 && batchDirOf(path) == "":
				return fmt.Errorf("%s %w; remove it, and restore the file or folder itself", path, ErrLink)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// batchDirOf returns the name of the folder in memoryDir that a link in the store points into; empty: it is no link of
// [staging].
func batchDirOf(link string) string {
	target, err := os.Readlink(link)
	if err != nil {
		return ""
	}
	dir, stream := filepath.Split(target)
	name := filepath.Base(dir)
	// Written anew it must be the same: ".." in it would lead elsewhere.
	if target != filepath.Join(memoryDir, name, stream) || !isBatchDir(name) || filepath.Base(filepath.Dir(link)) != stream {
		return ""
	}
	return name
}
