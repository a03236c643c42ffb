package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"

	"jethook/consume/admin/endpoints"
)

// Source is where a manifest comes from.
type Source struct {
	Name     string                            // names it in errors
	Content  []byte                            // YAML, one or several documents
	Getenv   func(name string) (string, bool)  // what ${NAME} stands for
	ReadFile func(path string) ([]byte, error) // what secret_file stands for
}

// entry is the form of an endpoint in the list.
type entry struct {
	endpoints.EndpointFields
	SecretFile *string `json:"secret_file"`
}

// Read returns the endpoints of a manifest, in its order. ${NAME} in a secret, a URL or a header's value stands for
// an environment variable, and $${NAME} for the text ${NAME}. The error is a *Problems with everything that is
// wrong; what values mean is for [Compare] to judge.
func Read(src Source) ([]Entry, error) {
	r := &reader{src: src, problems: &Problems{File: src.Name}}
	documents := yaml.NewDecoder(bytes.NewReader(src.Content))
	found := false
	for {
		var n yaml.Node
		err := documents.Decode(&n)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil { // after it nothing can be told from the rest
			return nil, fmt.Errorf("%s is not YAML: %s", src.Name, strings.TrimPrefix(err.Error(), "yaml: "))
		}
		if len(n.Content) > 0 && n.Content[0].ShortTag() != "!!null" {
			found = true
			r.document(n.Content[0])
		}
	}
	if !found {
		r.problems.add(1, "endpoints", "is missing; use [] for none")
	}
	r.checkNames()
	return r.entries, r.problems.err()
}

// reader fills Go values from YAML nodes, which know their lines.
type reader struct {
	src      Source
	problems *Problems
	entries  []Entry
	lines    map[string]int // of the entry that is being read
}

func (r *reader) document(root *yaml.Node) {
	list := r.member(root, "endpoints")
	if list == nil {
		return
	}
	if list.Kind != yaml.SequenceNode {
		r.problems.add(list.Line, "endpoints", "must be a list")
		return
	}
	for _, n := range list.Content {
		var e entry
		r.lines = map[string]int{}
		r.fill(reflect.ValueOf(&e).Elem(), n, "")
		r.secretFile(&e)
		r.entries = append(r.entries, Entry{Fields: e.EndpointFields, Line: n.Line, lines: r.lines})
	}
}

// member is the one member that a document has.
func (r *reader) member(root *yaml.Node, name string) (value *yaml.Node) {
	if root.Kind != yaml.MappingNode {
		r.problems.add(root.Line, "", "must be a mapping with the single field %s", name)
		return nil
	}
	for i := 0; i < len(root.Content); i += 2 {
		switch key := root.Content[i]; {
		case key.Value != name:
			r.problems.add(key.Line, key.Value, "unknown field")
		case value != nil:
			r.problems.add(key.Line, key.Value, "is given twice")
		default:
			value = target(root.Content[i+1])
		}
	}
	if value == nil {
		r.problems.add(root.Line, name, "is missing; use [] for none")
	}
	return value
}

// target is what an alias stands for.
func target(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// secretFile puts the content of secret_file where the secret goes.
func (r *reader) secretFile(e *entry) {
	if e.SecretFile == nil {
		return
	}
	line := r.lines["secret_file"]
	if e.Secret != nil {
		r.problems.add(line, "secret_file", "can't be combined with secret")
		return
	}
	content, err := r.src.ReadFile(*e.SecretFile)
	if err != nil {
		r.problems.add(line, "secret_file", "%s", err)
		return
	}
	secret := strings.TrimRight(string(content), "\r\n")
	if secret == "" {
		r.problems.add(line, "secret_file", "is empty")
	}
	e.Secret = &secret
	r.lines["secret"] = line
}

// checkNames makes names what entries are told apart by.
func (r *reader) checkNames() {
	first := map[string]int{}
	for i := range r.entries {
		e := &r.entries[i]
		name := e.name()
		if name == "" {
			continue // Compare says so
		}
		if line, twice := first[name]; twice {
			r.problems.add(e.place("name"), "name", "is also the name on line %d", line)
			continue
		}
		first[name] = e.place("name")
	}
}
