package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The image is built from what a digest names, which a tag does not.
func TestBaseImagesByDigest(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	images := 0
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] != "FROM" {
			continue
		}
		images++
		image := fields[1]
		if strings.HasPrefix(image, "--platform=") {
			image = fields[2]
		}
		_, digest, _ := strings.Cut(image, "@sha256:")
		if image != "scratch" && len(digest) != 64 {
			t.Errorf("%s has no digest", image)
		}
	}
	if images < 2 {
		t.Errorf("%d images are found", images)
	}
}

// The image holds the licence of every module that the binary is linked from, and of Go.
func TestLicences(t *testing.T) {
	t.Parallel()
	out := t.TempDir()
	if text, err := exec.Command("../../.ci/licenses", out).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	text, err := exec.Command("go", "version", "-m", binary).Output()
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"go"}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) >= 3 && fields[0] == "dep" {
			names = append(names, fields[1]+"@"+fields[2])
		}
	}
	if len(names) < 20 {
		t.Fatalf("only %q", names)
	}
	for _, name := range names {
		if files, err := filepath.Glob(filepath.Join(out, name, "*")); err != nil || len(files) == 0 {
			t.Errorf("there is none of %s", name)
		}
	}
}
