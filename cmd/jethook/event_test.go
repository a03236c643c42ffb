package main

import (
	"encoding/json"
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
		if got, err := readData(data, strings.NewReader(`"from stdin"`)); err != nil || string(got) != want {
			t.Errorf("%s: got %q, %v", data, got, err)
		}
	}
}

func TestEventBodyKeepsDataByteForByte(t *testing.T) {
	t.Parallel()
	const data = "{ \"b\": 1.0, \"a\": \"<&>\\u00e9\" }\n"
	body, err := eventBody("a.b", `i"d`, []byte(data))
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"type":"a.b","id":"i\"d","data":` + data + `}`; string(body) != want || !json.Valid(body) {
		t.Errorf("got %s, want %s", body, want)
	}
}
