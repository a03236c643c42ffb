package admin_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// node is a part of the OpenAPI document, or of an answer.
type node = map[string]any

// openapi returns the document.
func (a *api) openapi() node {
	a.t.Helper()
	var doc node
	if err := json.Unmarshal([]byte(a.send("GET", "/openapi.json", "", http.Header{}).body), &doc); err != nil {
		a.t.Fatal(err)
	}
	return doc
}

// at follows keys into the document; nil when it ends before.
func at(n any, keys ...string) any {
	for _, key := range keys {
		m, _ := n.(node)
		n = m[key]
	}
	return n
}

// operationNode is one operation of the document.
type operationNode struct {
	method, path, id string // the method in upper case
	node             node
}

// operations lists what the document has.
func operations(doc node) (all []operationNode) {
	for path, methods := range at(doc, "paths").(node) {
		for method, n := range methods.(node) {
			id, _ := at(n, "operationId").(string)
			all = append(all, operationNode{strings.ToUpper(method), path, id, n.(node)})
		}
	}
	return all
}

// rules returns what checks a value against one keyword of its schema. Keywords that check nothing are nil; one that is not here
// fails the test, so that no part of a schema is passed over.
func rules() map[string]func(doc, schema node, rule, v any) []string {
	return map[string]func(doc, schema node, rule, v any) []string{
		"type": func(_, _ node, rule, v any) []string {
			types, isList := rule.([]any)
			if !isList {
				types = []any{rule}
			}
			is := kindOf(v)
			return unless(slices.ContainsFunc(types, func(t any) bool { return t == is || t == "number" && is == "integer" }), "is %s, documented as %v", is, types)
		},
		"properties": func(doc, schema node, rule, v any) (wrong []string) {
			for name, value := range fieldsOf(v) {
				if property, ok := at(rule, name).(node); ok {
					wrong = append(wrong, under("."+name, violations(doc, property, value))...)
				} else if schema["additionalProperties"] == nil {
					wrong = append(wrong, "."+name+" is not documented")
				}
			}
			return wrong
		},
		"additionalProperties": func(doc, schema node, rule, v any) (wrong []string) {
			for name, value := range fieldsOf(v) {
				if at(schema, "properties", name) != nil {
					continue
				}
				if other, ok := rule.(node); ok {
					wrong = append(wrong, under("."+name, violations(doc, other, value))...)
				} else if rule == false {
					wrong = append(wrong, "."+name+" is not documented")
				}
			}
			return wrong
		},
		"required": func(_, _ node, rule, v any) (wrong []string) {
			for _, name := range rule.([]any) {
				if fields := fieldsOf(v); fields != nil {
					_, ok := fields[name.(string)]
					wrong = append(wrong, unless(ok, ".%s is missing", name)...)
				}
			}
			return wrong
		},
		"items": func(doc, _ node, rule, v any) (wrong []string) {
			list, _ := v.([]any)
			for i, item := range list {
				wrong = append(wrong, under(fmt.Sprintf("[%d]", i), violations(doc, rule.(node), item))...)
			}
			return wrong
		},
		"$ref": func(doc, _ node, rule, v any) []string {
			return violations(doc, at(doc, strings.Split(strings.TrimPrefix(rule.(string), "#/"), "/")...).(node), v)
		},
		"enum": func(_, _ node, rule, v any) []string {
			return unless(slices.ContainsFunc(rule.([]any), func(one any) bool { return reflect.DeepEqual(one, v) }), "%v is none of %v", v, rule)
		},
		"minimum":   bound(func(v any) (float64, bool) { n, ok := v.(float64); return n, ok }, 1),
		"maximum":   bound(func(v any) (float64, bool) { n, ok := v.(float64); return n, ok }, -1),
		"minLength": bound(textLength, 1),
		"maxLength": bound(textLength, -1),
		"minItems":  bound(listLength, 1),
		"maxItems":  bound(listLength, -1),
		"pattern": func(_, _ node, rule, v any) []string {
			text, ok := v.(string)
			return unless(!ok || regexp.MustCompile(rule.(string)).MatchString(text), "%q does not match %s", text, rule)
		},
		"format": func(_, _ node, rule, v any) []string {
			if text, ok := v.(string); ok && rule == "date-time" {
				_, err := time.Parse(time.RFC3339Nano, text)
				return unless(err == nil, "%q is not a time", text)
			}
			return nil // int64 and such
		},
		"description": nil, "examples": nil, "example": nil, "default": nil, "writeOnly": nil, "readOnly": nil,
		"contentEncoding": nil, "patternDescription": nil, "contentMediaType": nil, "title": nil, "deprecated": nil,
	}
}

// violations says where v does not follow the schema.
func violations(doc, schema node, v any) (wrong []string) {
	all := rules()
	for keyword, rule := range schema {
		check, known := all[keyword]
		if !known && !strings.HasPrefix(keyword, "x-") {
			wrong = append(wrong, ": the test does not know the keyword "+keyword+": add it to rules")
		}
		if check != nil {
			wrong = append(wrong, check(doc, schema, rule, v)...)
		}
	}
	slices.Sort(wrong)
	return wrong
}

func kindOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case []any:
		return "array"
	case node:
		return "object"
	default:
		if n, ok := v.(float64); ok && n != float64(int64(n)) {
			return "number"
		}
		return "integer"
	}
}

func fieldsOf(v any) node {
	fields, _ := v.(node)
	return fields
}

func textLength(v any) (float64, bool) {
	text, ok := v.(string)
	return float64(utf8.RuneCountInString(text)), ok
}

func listLength(v any) (float64, bool) {
	list, ok := v.([]any)
	return float64(len(list)), ok
}

// bound checks a measure of v: that it is at least the rule with sign 1, and at most with -1.
func bound(measure func(any) (float64, bool), sign float64) func(node, node, any, any) []string {
	return func(_, _ node, rule, v any) []string {
		n, ok := measure(v)
		return unless(!ok || sign*n >= sign*rule.(float64), "%v is beyond the bound of %v", n, rule)
	}
}

func unless(ok bool, format string, args ...any) []string {
	if ok {
		return nil
	}
	return []string{": " + fmt.Sprintf(format, args...)}
}

func under(place string, wrong []string) []string {
	for i := range wrong {
		wrong[i] = place + wrong[i]
	}
	return wrong
}

// The validator finds what it is there for.
func TestViolations(t *testing.T) {
	t.Parallel()
	var schema node
	if err := json.Unmarshal([]byte(`{"type":"object","required":["a"],"additionalProperties":false,"properties":{
		"a":{"type":"integer","minimum":1},"b":{"type":["array","null"],"items":{"type":"string","enum":["x"]},"maxItems":1},
		"c":{"type":"string","format":"date-time"},"d":{"type":"object","additionalProperties":{"type":"string"}},"e":{"$ref":"#/e"}}}`), &schema); err != nil {
		t.Fatal(err)
	}
	doc := node{"e": node{"type": "boolean"}}
	for body, want := range map[string]string{
		`{"a":1,"b":["x"],"c":"2026-01-02T15:04:05.1Z","d":{"k":"v"},"e":true}`: "",
		`{"a":1,"b":null}`:        "",
		`{}`:                      ": .a is missing",
		`{"a":0}`:                 ".a: 0 is beyond the bound of 1",
		`{"a":1.5}`:               ".a: is number, documented as [integer]",
		`{"a":1,"z":1}`:           ".z is not documented",
		`{"a":1,"b":["y"]}`:       ".b[0]: y is none of [x]",
		`{"a":1,"b":["x","x"]}`:   ".b: 2 is beyond the bound of 1",
		`{"a":1,"c":"yesterday"}`: `.c: "yesterday" is not a time`,
		`{"a":1,"d":{"k":1}}`:     ".d.k: is integer, documented as [string]",
		`{"a":1,"e":"x"}`:         ".e: is string, documented as [boolean]",
		`[]`:                      ": is array, documented as [object]",
	} {
		var v any
		if err := json.Unmarshal([]byte(body), &v); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(violations(doc, schema, v), "; "); got != want {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
	if got := violations(doc, node{"oneOf": nil}, 1); len(got) != 1 {
		t.Errorf("an unknown keyword passes: %v", got)
	}
}
