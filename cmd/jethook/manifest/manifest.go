// Package manifest reads and writes endpoints as code: YAML documents that list endpoints by their names, with the
// fields of the admin API.
//
//	endpoints:
//	  - name: billing
//	    url: https://billing.example.com/hooks
//	    events: [events.invoice.>]
//	    secret: ${BILLING_SECRET}
//
// It also compares what a manifest wants with what there is. It asks no API and changes nothing.
package manifest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"jethook/consume/admin/endpoints"
)

// Entry is one endpoint of a manifest.
type Entry struct {
	Fields endpoints.EndpointFields // those that are given
	Line   int                      // where it begins, from 1

	lines map[string]int // where each field stands
}

// Problem is one thing that is wrong with a manifest. It holds no value, which may be a secret.
type Problem struct {
	Line    int
	Field   string // as in the API; empty: what concerns no field
	Message string
}

// Problems is everything that is wrong with a manifest.
type Problems struct {
	File  string
	Items []Problem
}

// Error has a line for each problem, in the order of the file.
func (p *Problems) Error() string {
	items := slices.Clone(p.Items)
	slices.SortStableFunc(items, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
	var b strings.Builder
	fmt.Fprintf(&b, "%s is not valid", p.File)
	for _, item := range items {
		fmt.Fprintf(&b, "\n  line %d: ", item.Line)
		if item.Field != "" {
			b.WriteString(item.Field + ": ")
		}
		b.WriteString(item.Message)
	}
	return b.String()
}

func (p *Problems) add(line int, field, message string, args ...any) {
	p.Items = append(p.Items, Problem{Line: line, Field: field, Message: fmt.Sprintf(message, args...)})
}

// err is p if there is any problem.
func (p *Problems) err() error {
	if len(p.Items) == 0 {
		return nil
	}
	return p
}

// place is the line of a field, or of what holds it: "headers.X-A" may only be known as "headers".
func (e *Entry) place(field string) int {
	for field != "" {
		if line, ok := e.lines[field]; ok {
			return line
		}
		field = field[:max(0, strings.LastIndexAny(field, ".["))]
	}
	return e.Line
}

// name is the entry's name; "" when it has none.
func (e *Entry) name() string {
	if e.Fields.Name == nil {
		return ""
	}
	return strings.TrimSpace(*e.Fields.Name)
}
