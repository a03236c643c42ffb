package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
)

// maxSecrets is how many secrets of one kind there may be at once: during a rotation that is two or three.
const maxSecrets = 9

// fileSuffix ends the name of a variable that names the file of a secret.
const fileSuffix = "_FILE"

// secretAt is the place of one secret in a list: the one without a number, or with a number from 2 on.
type secretAt struct {
	list     *[]Secret
	index    int
	fromFile bool
}

// numbered lists the variables of the secrets of one kind: NAME, NAME_2 and so on, and each with _FILE. A list in one
// variable would need a separator, and a secret may hold any character.
func numbered(name string, list *[]Secret, tag reflect.StructTag) []setting {
	var values, files []setting
	for i := range maxSecrets {
		numbered := secretVariable(name, i)
		values = append(values, setting{name: numbered, field: secretAt{list, i, false}})
		files = append(files, setting{name: numbered + fileSuffix, field: secretAt{list, i, true}})
	}
	values[0].meaning = tag.Get("desc")
	values[1].meaning = tag.Get("numbered")
	files[0].meaning = "a file that holds it, instead of the variable without _FILE; also for the further ones"
	return append(values, files...) // a file finds out whether the value is set too
}

func secretVariable(name string, index int) string {
	if index == 0 {
		return name
	}
	return fmt.Sprintf("%s_%d", name, index+1)
}

// set puts the secret in its place. It is kept as it is: the white space around a secret that an operator did not mean
// is for a check to tell.
func (at secretAt) set(variable, text string) error {
	if at.fromFile {
		if at.index < len(*at.list) && !(*at.list)[at.index].IsZero() {
			return fmt.Errorf("conflicts with %s, which is also set; unset one of them", strings.TrimSuffix(variable, fileSuffix))
		}
		content, err := ReadSecretFile(text, nil)
		if err != nil {
			return fmt.Errorf("reading the secret: %w", err)
		}
		text = content.Reveal()
	}
	for len(*at.list) <= at.index {
		*at.list = append(*at.list, Secret{})
	}
	(*at.list)[at.index] = NewSecret(text)
	return nil
}

// SecretVariable is the variable of the secret of an index in Secrets, which may come from its file instead.
func (s *Source) SecretVariable(index int) string {
	return secretVariable(variablesOf(s.Name)+"SECRET", index)
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
