package config

import (
	"fmt"
	"reflect"
)

// maxSecrets is how many secrets of one kind there may be at once: during a rotation that is two or three.
const maxSecrets = 9

// secretAt is the place of one secret in a list: the one without a number, or with a number from 2 on.
type secretAt struct {
	list  *[]Secret
	index int
}

// numbered lists the variables of the secrets of one kind: NAME, NAME_2 and so on, and each with _FILE. A list in one
// variable would need a separator, and a secret may hold any character.
func numbered(name string, list *[]Secret, tag reflect.StructTag) []setting {
	var values, files []setting
	for i := range maxSecrets {
		numbered := secretVariable(name, i)
		values = append(values, setting{name: numbered, field: secretAt{list, i}})
		files = append(files, setting{name: numbered + fileSuffix, field: secretAt{list, i}, file: true})
	}
	values[0].meaning = tag.Get("desc")
	values[1].meaning = tag.Get("numbered")
	files[0].meaning = fileMeaning + "; also for the further ones"
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
func (at secretAt) set(text string) {
	for len(*at.list) <= at.index {
		*at.list = append(*at.list, Secret{})
	}
	(*at.list)[at.index] = NewSecret(text)
}

func (at secretAt) isSet() bool { return at.index < len(*at.list) && !(*at.list)[at.index].IsZero() }

// SecretVariable is the variable of the secret of an index in Secrets, which may come from its file instead.
func (s *Source) SecretVariable(index int) string {
	return secretVariable(variablesOf(s.Name)+"SECRET", index)
}
