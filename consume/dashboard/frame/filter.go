package frame

import (
	"net/http"
	"net/url"
	"slices"

	"jethook/consume/admin/operation"
)

// Field is one input of a filter or another form.
type Field struct {
	Name, Label string // Name is that of the API's parameter
	Kind        string // "text", "number", "select"; empty: text
	Value       string
	Options     []Option // of a select, or suggestions for a text
	Hint        string   // shown in an empty text field
	Wrong       string   // what is wrong with the value
	Wide        bool
	More        bool // it is seldom wanted, and stands behind "More filters"
}

// Option is one choice.
type Option struct{ Value, Label string }

// Choices are the options of a select by their words, behind "any".
func Choices(words ...string) []Option {
	all := []Option{{Label: "any"}}
	for _, word := range words {
		all = append(all, Option{word, word})
	}
	return all
}

const (
	// PageSize is how many rows a list shows.
	PageSize = 50
	// MostSuggested bounds how many suggestions a field carries: a page must stay small with thousands of endpoints.
	MostSuggested = 100
	// CountLimit is up to how many things are counted before a bulk change asks: beyond, it says "1,000+".
	CountLimit = 1000
)

// Filter is the form above a list.
type Filter struct {
	Path   string // of the list
	Fields []Field
	Given  bool // something is chosen
}

// FilterOf fills a filter's fields from the address of the request.
func FilterOf(r *http.Request, path string, fields ...Field) *Filter {
	f := &Filter{Path: path, Fields: fields}
	query := r.URL.Query()
	for i := range f.Fields {
		f.Fields[i].Value = query.Get(f.Fields[i].Name)
		f.Given = f.Given || f.Fields[i].Value != ""
	}
	return f
}

// HasMore reports whether fields stand behind "More filters", and MoreGiven whether one of them is set.
func (f *Filter) HasMore() bool {
	return slices.ContainsFunc(f.Fields, func(have Field) bool { return have.More })
}

// MoreGiven is described at HasMore.
func (f *Filter) MoreGiven() bool {
	return slices.ContainsFunc(f.Fields, func(have Field) bool { return have.More && have.Value+have.Wrong != "" })
}

// Get returns the value of a field.
func (f *Filter) Get(name string) string {
	for i := range f.Fields {
		if f.Fields[i].Name == name {
			return f.Fields[i].Value
		}
	}
	return ""
}

// Values are the fields that have one, as they stand in an address.
func (f *Filter) Values() url.Values {
	v := url.Values{}
	for i := range f.Fields {
		if f.Fields[i].Value != "" {
			v.Set(f.Fields[i].Name, f.Fields[i].Value)
		}
	}
	return v
}

// Query is what is chosen, with more names and values, as the query of an address.
func (f *Filter) Query(more ...string) string {
	v := f.Values()
	for i := 0; i+1 < len(more); i += 2 {
		v.Set(more[i], more[i+1])
	}
	if len(v) == 0 {
		return ""
	}
	return "?" + v.Encode()
}

// Blame shows at the fields what is wrong with them. It returns what is wrong with others.
func (f *Filter) Blame(wrong []operation.FailureField) (rest []operation.FailureField) {
	for _, w := range wrong {
		i := slices.IndexFunc(f.Fields, func(have Field) bool { return have.Name == w.Field })
		if i < 0 {
			rest = append(rest, w)
			continue
		}
		f.Fields[i].Wrong = w.Message
	}
	return rest
}

// Pager leads on from a page of a list.
type Pager struct {
	First string // query of the first page; empty on it
	Next  string // query of the next one; empty on the last
	Shown int
}

// PagerOf returns the pager of a list page that the request asks for.
func PagerOf(r *http.Request, f *Filter, next string, shown int) Pager {
	p := Pager{Shown: shown}
	if r.URL.Query().Get("cursor") != "" {
		if p.First = f.Query(); p.First == "" {
			p.First = "?"
		}
	}
	if next != "" {
		p.Next = f.Query("cursor", next)
	}
	return p
}
