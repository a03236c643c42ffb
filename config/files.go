package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

const (
	// fileSuffix ends the name of a variable that names the file of a secret. Every secret has one.
	fileSuffix  = "_FILE"
	fileMeaning = "a file that holds it, instead of the variable without _FILE"
)

// secretFile is a file that a secret was read from.
type secretFile struct {
	path    string
	content Secret
}

// readFile sets a secret from the file that its variable names.
func (l *loader) readFile(s setting) error {
	if s.isSet() {
		return fmt.Errorf("conflicts with %s, which is also set; unset one of them", strings.TrimSuffix(s.name, fileSuffix))
	}
	path := os.Getenv(s.name)
	content, err := l.open(s.name, path)
	if err != nil {
		return fmt.Errorf("reading the secret: %w", err)
	}
	if l.files == nil {
		l.files = make(map[string]secretFile)
	}
	l.files[s.name] = secretFile{path, content}
	return s.Decode(content.Reveal())
}

// isSet reports whether the secret that the setting sets has a value.
func (s setting) isSet() bool {
	switch field := s.field.(type) {
	case *Secret:
		return !field.IsZero()
	case secretAt:
		return field.isSet()
	default:
		return false
	}
}

// Reload returns the configuration with what the files of its secrets hold now, or nil if that is nothing new. A secret
// whose file can't be read any more, or that does not pass the checks of the start and check, stays as it was, and the
// problems say why; the others change all the same.
func (c *Config) Reload(check func(*Config) Problems) (*Config, Problems) {
	if !c.filesChanged() {
		return nil, nil
	}
	var found Problems
	kept := make(map[string]bool) // variables whose secret stays as it was
	keep := func(variable, reason string) {
		kept[variable] = true
		found.add(variable, "%s; keeping the secret that the file held before", reason)
	}
	for {
		l := loader{open: func(variable, path string) (Secret, error) {
			if kept[variable] {
				return c.files[variable].content, nil
			}
			content, err := ReadSecretFile(path, nil)
			switch {
			case err != nil:
				keep(variable, "reading the secret: "+err.Error())
			case strings.HasPrefix(variable, encryptionKey) && !content.Equal(c.files[variable].content):
				keep(variable, "the file has another key, which takes effect with the next start")
			}
			if kept[variable] {
				content = c.files[variable].content
			}
			return content, nil
		}}
		next, err := l.load(c.NATSURL)
		problems, _ := errors.AsType[Problems](err)
		if problems = append(problems, check(next)...); len(problems) == 0 {
			if next.sameFiles(c) {
				return nil, found
			}
			return next, found
		}
		before := len(kept)
		for _, p := range problems {
			variable := strings.TrimSuffix(p.Variable, fileSuffix) + fileSuffix
			if _, ofFile := c.files[variable]; ofFile && !kept[variable] {
				keep(variable, p.Reason)
			}
		}
		if len(kept) == before { // what is wrong is in no file
			return nil, append(found, problems...)
		}
	}
}

// filesChanged reports whether a file holds something else than the secret that was read from it, or can't be read.
func (c *Config) filesChanged() bool {
	for _, file := range c.files {
		content, err := ReadSecretFile(file.path, nil)
		if err != nil || !content.Equal(file.content) {
			return true
		}
	}
	return false
}

func (c *Config) sameFiles(other *Config) bool {
	for variable, file := range c.files {
		if !file.content.Equal(other.files[variable].content) {
			return false
		}
	}
	return true
}

// ErrEmptySecret means a file without a secret.
var ErrEmptySecret = errors.New("the file is empty")

// ReadSecretFile returns the secret in a file, or in stdin where path is "-", without the line end that editors put
// there. Its errors tell nothing of the content.
func ReadSecretFile(path string, stdin io.Reader) (Secret, error) {
	var content []byte
	var err error
	if path == "-" && stdin != nil {
		content, err = io.ReadAll(stdin)
	} else {
		content, err = os.ReadFile(path)
	}
	if err != nil {
		return Secret{}, err
	}
	text := strings.TrimRight(string(content), "\r\n")
	if text == "" {
		return Secret{}, ErrEmptySecret
	}
	return NewSecret(text), nil
}
