package openapi

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"jethook/consume/admin/shell"
)

// The page has its style inside, and nothing else: no script, no image, nothing of another host.
var (
	//go:embed docs.html
	docsHTML string
	//go:embed docs.css
	docsCSS string
)

// Page is the document as a page for people, with the policy under which browsers are to show it: it allows the page its own
// style, by the hash of it, and nothing else.
func Page(doc *huma.OpenAPI) (page []byte, policy string, err error) {
	d := document{doc}
	t, err := template.New("docs").Funcs(template.FuncMap{
		"css":        func() template.CSS { return template.CSS(docsCSS) },
		"operations": d.operations, "parameters": parameters, "fields": d.fields, "typename": d.typename,
		"curl": d.curl, "example": d.example, "json": encode, "plain": plain,
	}).Parse(docsHTML)
	if err != nil {
		return nil, "", fmt.Errorf("reading the template of the API's page: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, doc); err != nil {
		return nil, "", fmt.Errorf("writing the API's page: %w", err)
	}
	sum := sha256.Sum256([]byte(docsCSS))
	return b.Bytes(), "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'", nil
}

// document answers what the template asks of the OpenAPI document.
type document struct{ *huma.OpenAPI }

// operations are those with a tag, by path.
func (d document) operations(tag string) (all []*huma.Operation) {
	for _, path := range slices.Sorted(maps.Keys(d.Paths)) {
		for _, op := range operationsOf(d.Paths[path]) {
			if slices.Contains(op.Tags, tag) {
				all = append(all, op)
			}
		}
	}
	return all
}

// field is a parameter, or a field of a body under the names of all that it stands in: "signature.scheme", "items[].id".
type field struct {
	Name, In, Doc string
	Required      bool
	Example       any
	Schema        *huma.Schema
}

func parameters(params []*huma.Param) []field {
	all := make([]field, len(params))
	for i, p := range params {
		all[i] = field{p.Name, p.In, cmp.Or(p.Description, p.Schema.Description), p.Required, exampleOf(p), p.Schema}
	}
	return all
}

func exampleOf(p *huma.Param) any {
	if p.Example == nil && len(p.Schema.Examples) > 0 {
		return p.Schema.Examples[0]
	}
	return p.Example
}

// fields lists what an object holds, with what is inside of it.
func (d document) fields(s *huma.Schema) []field { return d.within("", s) }

func (d document) within(prefix string, s *huma.Schema) (all []field) {
	s = d.target(s)
	if s.Type == huma.TypeArray {
		return d.within(strings.TrimSuffix(prefix, ".")+"[].", s.Items)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		property := s.Properties[name]
		f := field{
			Name: prefix + name, Doc: cmp.Or(property.Description, d.target(property).Description),
			Required: slices.Contains(s.Required, name), Schema: d.target(property),
		}
		if len(property.Examples) > 0 {
			f.Example = property.Examples[0]
		}
		all = append(append(all, f), d.within(f.Name+".", property)...)
	}
	return all
}

// target is the schema itself when s only refers to it.
func (d document) target(s *huma.Schema) *huma.Schema {
	if s.Ref != "" {
		return d.Components.Schemas.SchemaFromRef(s.Ref)
	}
	return s
}

func (d document) typename(s *huma.Schema) string {
	name := cmp.Or(s.Type, "any JSON")
	switch {
	case s.Type == huma.TypeArray:
		name = "list of " + d.typename(d.target(s.Items))
	case s.Format == "date-time":
		name = "time"
	}
	if s.Nullable {
		name += " or null"
	}
	return name
}

// example is a value that fits s, with all fields.
func (d document) example(s *huma.Schema) any {
	s = d.target(s)
	switch {
	case len(s.Examples) > 0:
		return s.Examples[0]
	case len(s.Enum) > 0:
		return s.Enum[0]
	case s.Type == huma.TypeArray:
		return []any{d.example(s.Items)}
	}
	object := map[string]any{}
	for name, property := range s.Properties {
		object[name] = d.example(property)
	}
	return object
}

// request is a body for an operation: its example, or what is required, or else one field.
func (d document) request(s *huma.Schema) any {
	s = d.target(s)
	if len(s.Examples) > 0 {
		return s.Examples[0]
	}
	names := s.Required
	if len(names) == 0 {
		names = slices.Sorted(maps.Keys(s.Properties))[:1]
	}
	body := map[string]any{}
	for _, name := range names {
		body[name] = d.example(s.Properties[name])
	}
	return body
}

// curl is a request that the operation takes, as people write it.
func (d document) curl(op *huma.Operation) string {
	path, method, body := op.Path, "-X "+op.Method+" ", ""
	for _, p := range op.Parameters {
		path = strings.ReplaceAll(path, "{"+p.Name+"}", plain(exampleOf(p)))
	}
	if op.RequestBody != nil {
		request := encode(d.request(op.RequestBody.Content["application/json"].Schema), "")
		body = " \\\n  -H 'Content-Type: application/json' \\\n  -d " + shell.Word(request)
	}
	if op.Method == http.MethodGet || op.Method == http.MethodPost && body != "" {
		method = "" // it is what curl does by itself
	}
	return "curl " + method + shell.Word("http://127.0.0.1:8081"+path) + " \\\n  -H \"Authorization: Bearer $JETHOOK_ADMIN_TOKEN\"" + body
}

// plain is a value without the quotes that JSON needs.
func plain(v any) string {
	if text, ok := v.(string); ok {
		return text
	}
	return encode(v, "")
}

// encode writes JSON for people, who need no < written as \u003c.
func encode(v any, indent string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	if e.Encode(v) != nil {
		return "" // examples are JSON: TestExamplesFitTheirSchemas
	}
	return strings.TrimSpace(b.String())
}
