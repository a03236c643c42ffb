package frame

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"jethook/consume/dashboard/session"
)

// Choice is what a bulk form was sent for.
type Choice struct {
	Back   string // the list, as it was
	Filter *Filter
}

// Chosen reads the filter that a bulk form carries in its field "filter", as the query of the list. What the list's filter, made
// by fields, does not know is refused: it would choose more than is meant.
func Chosen(r *http.Request, list string, fields func(*http.Request) *Filter) (c Choice, err error) {
	given, err := url.ParseQuery(strings.TrimPrefix(r.PostForm.Get("filter"), "?"))
	if err != nil {
		return c, session.ErrForm
	}
	u := &url.URL{Path: list, RawQuery: given.Encode()}
	c = Choice{Back: u.String(), Filter: fields(&http.Request{Method: http.MethodGet, URL: u})}
	for name := range given {
		if !slices.ContainsFunc(c.Filter.Fields, func(f Field) bool { return f.Name == name }) {
			return c, session.ErrForm
		}
	}
	return c, nil
}

// Words says what the filter chooses.
func (c *Choice) Words() string {
	f := c.Filter
	text := ""
	for i := range f.Fields {
		if v := f.Fields[i].Value; v != "" {
			text += fmt.Sprintf(", %s: %s", f.Fields[i].Label, v)
		}
	}
	if text == "" {
		return "No filter is set: this includes everything that is waiting or dead."
	}
	return "Chosen by " + text[2:] + "."
}
