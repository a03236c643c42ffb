package dashboard

import (
	"net/http"
	"net/url"
	"slices"

	"jethook/consume/admin"
)

// field is one input of a filter or another form.
type field struct {
	Name, Label string // Name is that of the API's parameter
	Kind        string // "text", "number", "select"; empty: text
	Value       string
	Options     []option // of a select, or suggestions for a text
	Hint        string   // shown in an empty text field
	Wrong       string   // what is wrong with the value
	Wide        bool
	More        bool // it is seldom wanted, and stands behind "More filters"
}

// option is one choice.
type option struct{ Value, Label string }

// filter is the form above a list.
type filter struct {
	Path   string // of the list
	Fields []field
	Given  bool // something is chosen
}

// filterOf fills a filter's fields from the address of the request.
func filterOf(r *http.Request, path string, fields ...field) *filter {
	f := &filter{Path: path, Fields: fields}
	query := r.URL.Query()
	for i := range f.Fields {
		f.Fields[i].Value = query.Get(f.Fields[i].Name)
		f.Given = f.Given || f.Fields[i].Value != ""
	}
	return f
}

// HasMore reports whether fields stand behind "More filters", and MoreGiven whether one of them is set.
func (f *filter) HasMore() bool {
	return slices.ContainsFunc(f.Fields, func(have field) bool { return have.More })
}

// MoreGiven is described at HasMore.
func (f *filter) MoreGiven() bool {
	return slices.ContainsFunc(f.Fields, func(have field) bool { return have.More && have.Value+have.Wrong != "" })
}

// get returns the value of a field.
func (f *filter) get(name string) string {
	for i := range f.Fields {
		if f.Fields[i].Name == name {
			return f.Fields[i].Value
		}
	}
	return ""
}

// values are the fields that have one, as they stand in an address.
func (f *filter) values() url.Values {
	v := url.Values{}
	for i := range f.Fields {
		if f.Fields[i].Value != "" {
			v.Set(f.Fields[i].Name, f.Fields[i].Value)
		}
	}
	return v
}

// Query is what is chosen, with more names and values, as the query of an address.
func (f *filter) Query(more ...string) string {
	v := f.values()
	for i := 0; i+1 < len(more); i += 2 {
		v.Set(more[i], more[i+1])
	}
	if len(v) == 0 {
		return ""
	}
	return "?" + v.Encode()
}

// blame shows at the fields what is wrong with them. It returns what is wrong with others.
func (f *filter) blame(wrong []admin.FailureField) (rest []admin.FailureField) {
	for _, w := range wrong {
		i := slices.IndexFunc(f.Fields, func(have field) bool { return have.Name == w.Field })
		if i < 0 {
			rest = append(rest, w)
			continue
		}
		f.Fields[i].Wrong = w.Message
	}
	return rest
}

// pager leads on from a page of a list.
type pager struct {
	First string // query of the first page; empty on it
	Next  string // query of the next one; empty on the last
	Shown int
}

// pagerOf returns the pager of a list page that the request asks for.
func pagerOf(r *http.Request, f *filter, next string, shown int) pager {
	p := pager{Shown: shown}
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
