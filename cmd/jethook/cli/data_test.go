package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReadData(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "data.json")
	if err := os.WriteFile(path, []byte("[1,\n 2]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for data, want := range map[string]string{`{"a": 1.0}`: `{"a": 1.0}`, "@" + path: "[1,\n 2]\n", "-": `"from stdin"`} {
		if got, err := ReadData(data, strings.NewReader(`"from stdin"`)); err != nil || string(got) != want {
			t.Errorf("%s: got %q, %v", data, got, err)
		}
	}
}
