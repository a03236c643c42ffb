package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// largePackages are larger than one reader takes in: how many lines each may have until it is divided.
var largePackages = map[string]int{
	"ingest/provider": 7750,
}

// Every package is in the table of the architecture, says what it is for, and has one reader's size.
func TestPackages(t *testing.T) {
	t.Parallel()
	const most = 1500 // lines of Go, without tests
	_, text, _ := strings.Cut(manual(t)[".github/CONTRIBUTING.md"], "\n## Architecture\n")
	table, _, _ := strings.Cut(text, "\n\nThe rooms of ")
	listed := map[string]bool{}
	for line := range strings.Lines(table) {
		first, _, _ := strings.Cut(strings.TrimPrefix(line, "|"), "|")
		for _, m := range regexp.MustCompile("`([a-z/]+)`").FindAllStringSubmatch(first, -1) {
			listed[m[1]] = true
		}
	}
	sizes, about := packages(t)
	for path, lines := range sizes {
		if !listed[path] {
			t.Errorf("%s is not in the table", path)
		}
		if bound := max(most, largePackages[path]); lines > bound {
			t.Errorf("%s has %d lines, want at most %d", path, lines, bound)
		}
		if largePackages[path] > 0 && lines <= most {
			t.Errorf("%s has %d lines and needs no exception", path, lines)
		}
		if !about[path] {
			t.Errorf("%s has no package comment", path)
		}
	}
	for path := range listed {
		if sizes[path] == 0 {
			t.Errorf("the table has %s, which is no package", path)
		}
	}
}

// packages are the folders with Go code: how many lines it has, and whether a package comment says what it is for.
func packages(t *testing.T) (lines map[string]int, about map[string]bool) {
	t.Helper()
	lines, about = map[string]int{}, map[string]bool{}
	comment := regexp.MustCompile(`(?m)^// ([Pp]ackage|Command) [^\n]+\n(//[^\n]*\n)*package `)
	err := filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		folder, err := filepath.Rel(top, filepath.Dir(path))
		if err != nil {
			return err
		}
		folder = filepath.ToSlash(folder)
		lines[folder] += bytes.Count(text, []byte("\n"))
		about[folder] = about[folder] || comment.Match(text)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines, about
}
