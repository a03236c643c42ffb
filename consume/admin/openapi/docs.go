package openapi

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strconv"
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

	docsTemplate = template.Must(template.New("docs").Parse(docsHTML))
)

// docsPolicy allows the page its own style, by the hash of it, and nothing else.
func docsPolicy() string {
	sum := sha256.Sum256([]byte(docsCSS))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

// Page is the document as a page for people, with the policy under which browsers are to show it.
func Page(doc *huma.OpenAPI) (page []byte, policy string, err error) {
	var b bytes.Buffer
	if err := docsTemplate.Execute(&b, newDocs(doc)); err != nil {
		return nil, "", fmt.Errorf("writing the API's page: %w", err)
	}
	return b.Bytes(), docsPolicy(), nil
}

// docs is what the page shows.
type docs struct {
	Title, Version, Description string

	CSS    template.CSS
	Groups []docsGroup
	Errors []docsField // the form of every error
}

// docsGroup is the operations on one kind of thing.
type docsGroup struct {
	Name       string
	Operations []docsOperation
}

// docsOperation is one operation.
type docsOperation struct {
	ID, Method, Path, Summary, Description string

	Parameters, Body []docsField
	Curl             string
	Answers          []docsAnswer // those of success
	Failures         []docsStatus
}

// docsAnswer is what a success looks like.
type docsAnswer struct {
	docsStatus
	When    string // of several: when it comes
	Content string // its type; empty without a body
	Fields  []docsField
	Example string
}

type docsStatus struct {
	Code    int
	Meaning string
}

func newDocs(doc *huma.OpenAPI) *docs {
	page := &docs{
		Title: doc.Info.Title, Version: doc.Info.Version, Description: doc.Info.Description,
		CSS: template.CSS(docsCSS),
	}
	schemas := schemaReader{doc.Components.Schemas}
	if failure, ok := doc.Components.Schemas.Map()["Failure"]; ok {
		page.Errors = schemas.given(failure)
	}
	groups := map[string]*docsGroup{}
	for path, item := range doc.Paths {
		for _, op := range operationsOf(item) {
			tag := cmp.Or(strings.Join(op.Tags, ", "), "other")
			if groups[tag] == nil {
				groups[tag] = &docsGroup{Name: tag}
			}
			groups[tag].Operations = append(groups[tag].Operations, schemas.operation(path, op))
		}
	}
	for _, g := range groups {
		slices.SortFunc(g.Operations, func(a, b docsOperation) int {
			return cmp.Or(strings.Compare(a.Path, b.Path), cmp.Compare(methodOrder[a.Method], methodOrder[b.Method]))
		})
		page.Groups = append(page.Groups, *g)
	}
	place := map[string]int{}
	for i, tag := range doc.Tags {
		place[tag.Name] = i - len(doc.Tags) // those that are not among them come last
	}
	slices.SortFunc(page.Groups, func(a, b docsGroup) int {
		return cmp.Or(cmp.Compare(place[a.Name], place[b.Name]), strings.Compare(a.Name, b.Name))
	})
	return page
}

var methodOrder = map[string]int{"GET": 1, "POST": 2, "PUT": 3, "PATCH": 4, "DELETE": 5}

func (r schemaReader) operation(path string, op methodOperation) docsOperation {
	o := docsOperation{ID: op.OperationID, Method: op.Method, Path: path, Summary: op.Summary, Description: op.Description}
	for _, p := range op.Parameters {
		o.Parameters = append(o.Parameters, r.parameter(p))
	}
	var body *huma.Schema
	if op.RequestBody != nil && op.RequestBody.Content["application/json"] != nil {
		body = op.RequestBody.Content["application/json"].Schema
		o.Body = r.fields(body)
	}
	o.Curl = r.curl(path, op, body)
	for _, code := range slices.Sorted(maps.Keys(op.Responses)) {
		status, err := strconv.Atoi(code)
		if err != nil {
			continue
		}
		s := docsStatus{status, http.StatusText(status)}
		if status >= 400 {
			o.Failures = append(o.Failures, s)
			continue
		}
		o.Answers = append(o.Answers, r.answer(s, op.Responses[code]))
	}
	return o
}

func (r schemaReader) answer(s docsStatus, response *huma.Response) docsAnswer {
	a := docsAnswer{docsStatus: s}
	if response.Description != s.Meaning {
		a.When = response.Description
	}
	for content, media := range response.Content {
		a.Content = content
		if content == "application/json" {
			a.Fields = r.given(media.Schema)
			a.Example = indented(r.example(media.Schema, nil))
		}
	}
	return a
}

// curl is a request that the operation takes, as people write it.
func (r schemaReader) curl(path string, op methodOperation, body *huma.Schema) string {
	for _, p := range op.Parameters {
		if p.In == "path" {
			path = strings.ReplaceAll(path, "{"+p.Name+"}", fmt.Sprint(exampleOf(p)))
		}
	}
	var b strings.Builder
	b.WriteString("curl ")
	if op.Method != http.MethodGet && (op.Method != http.MethodPost || body == nil) {
		b.WriteString("-X " + op.Method + " ")
	}
	b.WriteString(shell.Word("http://127.0.0.1:8081"+path) + " \\\n  -H \"Authorization: Bearer $JETHOOK_ADMIN_TOKEN\"")
	if body != nil {
		b.WriteString(" \\\n  -H 'Content-Type: application/json' \\\n  -d " + shell.Word(compact(r.request(body))))
	}
	return b.String()
}
