package openapi

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// docsField is one line of a table of fields or parameters.
type docsField struct {
	Name     string // with what it stands in: "signature.scheme", "items[].id"
	In       string // of a parameter: path, query or header
	Type     string
	Required bool // of a request
	Optional bool // of an answer
	Doc      string
	Rules    []string // what it may be
	Example  string
}

// schemaReader reads schemas for people.
type schemaReader struct{ registry huma.Registry }

// target is the schema itself when s only refers to it.
func (r schemaReader) target(s *huma.Schema) *huma.Schema {
	if s.Ref != "" {
		return r.registry.SchemaFromRef(s.Ref)
	}
	return s
}

func (r schemaReader) parameter(p *huma.Param) docsField {
	f := r.field(p.Name, p.Schema, p.Required)
	f.In, f.Doc = p.In, cmp.Or(p.Description, f.Doc)
	f.Example = plain(exampleOf(p))
	return f
}

func exampleOf(p *huma.Param) any {
	if p.Example == nil && len(p.Schema.Examples) > 0 {
		return p.Schema.Examples[0]
	}
	return p.Example
}

// fields lists what an object holds, with what is inside of it.
func (r schemaReader) fields(s *huma.Schema) (all []docsField) {
	r.collect(s, "", &all, nil)
	return all
}

// given lists the fields of an answer, where those that may be absent are what is worth a word.
func (r schemaReader) given(s *huma.Schema) []docsField {
	all := r.fields(s)
	for i := range all {
		all[i].Required, all[i].Optional = false, !all[i].Required
	}
	return all
}

// collect adds the fields of s; above are the schemas that it stands in, which a recursive one would repeat.
func (r schemaReader) collect(s *huma.Schema, prefix string, all *[]docsField, above []*huma.Schema) {
	s = r.target(s)
	if slices.Contains(above, s) {
		return
	}
	above = append(slices.Clip(above), s)
	if s.Type == huma.TypeArray && s.Items != nil {
		r.collect(s.Items, strings.TrimSuffix(prefix, ".")+"[].", all, above)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		property := s.Properties[name]
		*all = append(*all, r.field(prefix+name, property, slices.Contains(s.Required, name)))
		r.collect(property, prefix+name+".", all, above)
	}
}

func (r schemaReader) field(name string, s *huma.Schema, required bool) docsField {
	f := docsField{Name: name, Type: r.typeName(s), Required: required, Doc: s.Description}
	s = r.target(s)
	f.Doc = cmp.Or(f.Doc, s.Description)
	rule := func(format string, args ...any) { f.Rules = append(f.Rules, fmt.Sprintf(format, args...)) }
	if len(s.Enum) > 0 {
		rule("one of %s", list(s.Enum))
	}
	if s.Minimum != nil && s.Maximum != nil {
		rule("%v to %v", *s.Minimum, *s.Maximum)
	}
	if s.MaxItems != nil {
		rule("at most %d", *s.MaxItems)
	}
	if s.Default != nil {
		rule("default %s", plain(s.Default))
	}
	if s.WriteOnly {
		rule("write only")
	}
	if s.Type != huma.TypeObject && len(s.Examples) > 0 {
		f.Example = plain(s.Examples[0])
	}
	return f
}

func (r schemaReader) typeName(s *huma.Schema) string {
	s = r.target(s)
	name := cmp.Or(s.Type, "any")
	switch {
	case s.Type == huma.TypeArray && s.Items != nil:
		name = "list of " + r.typeName(s.Items)
	case s.Format == "date-time":
		name = "time"
	case s.Type == "":
		name = "any JSON"
	}
	if s.Nullable {
		name += " or null"
	}
	return name
}

// example is a value that fits s.
func (r schemaReader) example(s *huma.Schema, above []*huma.Schema) any {
	s = r.target(s)
	switch {
	case slices.Contains(above, s):
		return nil
	case len(s.Examples) > 0:
		return s.Examples[0]
	case len(s.Enum) > 0:
		return s.Enum[0]
	}
	above = append(slices.Clip(above), s)
	switch s.Type {
	case huma.TypeObject:
		object := map[string]any{}
		for name, property := range s.Properties {
			object[name] = r.example(property, above)
		}
		if _, isMap := s.AdditionalProperties.(*huma.Schema); isMap {
			object["X-Team"] = "shop"
		}
		return object
	case huma.TypeArray:
		return []any{r.example(s.Items, above)}
	default:
		return nil
	}
}

// request is a body for an operation: its example, or what is required, or else one field.
func (r schemaReader) request(s *huma.Schema) any {
	s = r.target(s)
	if len(s.Examples) > 0 {
		return s.Examples[0]
	}
	body := map[string]any{}
	for _, name := range s.Required {
		body[name] = r.example(s.Properties[name], nil)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		if len(body) == 0 {
			body[name] = r.example(s.Properties[name], nil)
		}
	}
	return body
}

func list(values []any) string {
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = plain(v)
	}
	return strings.Join(words, ", ")
}

// plain is a value without the quotes that JSON needs.
func plain(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	default:
		return compact(v)
	}
}

func compact(v any) string { return encoded(v, "") }

func indented(v any) string { return encoded(v, "  ") }

// encoded is JSON for people, who need no < written as \u003c.
func encoded(v any, indent string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	if e.Encode(v) != nil {
		return "" // examples are JSON: TestExamplesFitTheirSchemas
	}
	return strings.TrimSpace(b.String())
}
