package frame

import (
	"net/http"
	"net/url"
	"slices"
)

// Question is asked before a change that is large or can't be undone.
type Question struct {
	Title  string
	Text   []string // what will happen, in sentences
	Button string
	Danger bool
	Type   string // must be typed to go on; empty: nothing
	Back   string // path to go back to, below the base path
	Nav    string

	Path   string     // where the answer is posted: this path again
	Fields url.Values // of the form, repeated with the answer
	Wrong  string
}

// Confirm reports whether the form is the answer yes to q, and else asks. The answer posts the same form again.
func (f *Frame) Confirm(w http.ResponseWriter, r *http.Request, q *Question) (bool, error) {
	if r.PostForm.Get("confirmed") == "yes" {
		if q.Type == "" || r.PostForm.Get("typed") == q.Type {
			return true, nil
		}
		q.Wrong = "That does not match the text above."
	}
	q.Path = r.URL.Path
	q.Fields = make(url.Values)
	for name, values := range r.PostForm {
		if !slices.Contains([]string{"csrf", "confirmed", "typed"}, name) {
			q.Fields[name] = values
		}
	}
	return false, f.Render(w, r, "confirm", View{Title: q.Title, Nav: q.Nav, Data: q})
}
