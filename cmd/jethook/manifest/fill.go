package manifest

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// fill sets v, a part of an entry, from a node. The fields of structs have their JSON names, so that the manifest has
// those of the API. A null is as if it was left out.
func (r *reader) fill(v reflect.Value, n *yaml.Node, path string) {
	n = target(n)
	if n.ShortTag() == "!!null" {
		return
	}
	if path != "" {
		r.lines[path] = n.Line
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		r.fill(v.Elem(), n, path)
	case reflect.Struct:
		r.fillStruct(v, n, path)
	case reflect.Slice:
		r.fillSlice(v, n, path)
	case reflect.Map:
		r.fillMap(v, n, path)
	case reflect.String:
		if r.is(n, yaml.ScalarNode, path, "text") {
			v.SetString(r.expand(n, path))
		}
	default:
		if n.Decode(v.Addr().Interface()) != nil { // the error would repeat the value
			r.problems.add(n.Line, path, "must be %s", kindNames[v.Kind()])
		}
	}
}

// kindNames say what a value must be.
var kindNames = map[reflect.Kind]string{reflect.Bool: "true or false", reflect.Int: "a whole number"}

func (r *reader) fillStruct(v reflect.Value, n *yaml.Node, path string) {
	if !r.is(n, yaml.MappingNode, path, "a mapping") {
		return
	}
	r.members(n, path, func(key, value *yaml.Node, path string) {
		for _, f := range reflect.VisibleFields(v.Type()) {
			if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" && name == key.Value {
				r.fill(v.FieldByIndex(f.Index), value, path)
				return
			}
		}
		r.problems.add(key.Line, path, "unknown field")
	})
}

func (r *reader) fillSlice(v reflect.Value, n *yaml.Node, path string) {
	if !r.is(n, yaml.SequenceNode, path, "a list") {
		return
	}
	list := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, item := range n.Content {
		r.fill(list.Index(i), item, fmt.Sprintf("%s[%d]", path, i))
	}
	v.Set(list)
}

func (r *reader) fillMap(v reflect.Value, n *yaml.Node, path string) {
	if !r.is(n, yaml.MappingNode, path, "a mapping") {
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	r.members(n, path, func(key, value *yaml.Node, path string) {
		item := reflect.New(v.Type().Elem()).Elem()
		r.fill(item, value, path)
		v.SetMapIndex(reflect.ValueOf(key.Value), item)
	})
}

// members visits the members of a mapping, each key once.
func (r *reader) members(n *yaml.Node, path string, visit func(key, value *yaml.Node, path string)) {
	seen := map[string]bool{}
	for i := 0; i < len(n.Content); i += 2 {
		key := target(n.Content[i])
		name := strings.TrimPrefix(path+"."+key.Value, ".")
		if seen[key.Value] {
			r.problems.add(key.Line, name, "is given twice")
			continue
		}
		seen[key.Value] = true
		visit(key, n.Content[i+1], name)
	}
}

func (r *reader) is(n *yaml.Node, kind yaml.Kind, path, name string) bool {
	if n.Kind != kind {
		r.problems.add(n.Line, path, "must be %s", name)
	}
	return n.Kind == kind
}

// reference is ${NAME}, or with another $ in front the text ${NAME}.
var reference = regexp.MustCompile(`\$?\$\{[A-Za-z_][A-Za-z0-9_]*\}`)

// expands reports whether references are replaced in a field: where credentials stand.
func expands(path string) bool {
	return path == "secret" || path == "client_key" || path == "url" || strings.HasPrefix(path, "headers.")
}

// expand returns a scalar's text with its references replaced.
func (r *reader) expand(n *yaml.Node, path string) string {
	if !expands(path) {
		return n.Value
	}
	return reference.ReplaceAllStringFunc(n.Value, func(text string) string {
		if literal, ok := strings.CutPrefix(text, "$$"); ok {
			return "$" + literal
		}
		name := text[2 : len(text)-1]
		value, ok := r.src.Getenv(name)
		if !ok || value == "" {
			r.problems.add(n.Line, path, "the environment variable %s is not set", name)
		}
		return value
	})
}

// escape is the inverse of expand: one more $ before whatever looks like a reference.
func escape(text string) string { return reference.ReplaceAllString(text, "$$$0") }
