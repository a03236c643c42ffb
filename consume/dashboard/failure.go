package dashboard

import (
	"errors"
	"net/http"

	"jethook/consume/admin"
)

// Faults of a request that the API does not know.
var (
	errNoPage    = errors.New("no such page")
	errReadOnly  = errors.New("this login only reads")
	errNotAdmin  = errors.New("this login only operates")
	errForm      = errors.New("the form is of another session or page")
	errLargeForm = errors.New("the form is too large")
	errNoneKept  = errors.New("this process keeps no endpoints")
)

// fault is an error as a page shows it.
type fault struct {
	Status      int
	Title, Text string
	Fields      []admin.FailureField
	Back        string // where to go on
}

// faultOf puts an error into words: the dashboard's own, or the API's.
func (s *Server) faultOf(err error) fault {
	switch {
	case errors.Is(err, errNoPage):
		return fault{Status: http.StatusNotFound, Title: "There is no such page", Text: "The address may be mistyped, or what it showed is gone."}
	case errors.Is(err, errReadOnly):
		return fault{Status: http.StatusForbidden, Title: "This login only reads", Text: "Sign out, and sign in with the admin token to change things."}
	case errors.Is(err, errNotAdmin):
		return fault{Status: http.StatusForbidden, Title: "This login only operates", Text: "Sign out, and sign in with the admin token to change endpoints, secrets, and what is stored."}
	case errors.Is(err, errForm):
		return fault{Status: http.StatusForbidden, Title: "That form is out of date", Text: "It was opened before the last sign-in, or another site sent it. Open the page again and repeat the change; nothing was changed."}
	case errors.Is(err, errLargeForm):
		return fault{Status: http.StatusRequestEntityTooLarge, Title: "That is too much", Text: "The form is larger than 16 MiB, or broke off. Nothing was changed."}
	}
	if errors.Is(err, errNoneKept) {
		return fault{Status: http.StatusNotFound, Title: "This process keeps no endpoints", Text: "Open the dashboard of a jethook serve or jethook consume."}
	}
	f := s.api.Explain(err)
	shown := fault{Status: f.GetStatus(), Title: "That did not work", Text: sentence(f.Detail.Message), Fields: f.Detail.Fields}
	switch shown.Status {
	case http.StatusNotFound:
		shown.Title = "It is not there"
	case http.StatusServiceUnavailable:
		shown.Title = "The store does not answer"
	case http.StatusInternalServerError:
		shown.Title = "Something went wrong here"
	}
	return shown
}

// fail answers an error with a page.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	f := s.faultOf(err)
	f.Back = "/"
	if r.Header.Get("HX-Request") != "" { // a live page keeps what it shows
		http.Error(w, f.Title+": "+f.Text, f.Status)
		return
	}
	if err := s.render(w, r, "fault", view{Title: f.Title, Status: f.Status, Data: f}); err != nil {
		s.log.Error("error page failed", "error", err)
		http.Error(w, f.Title, f.Status)
	}
}

// sentence makes a clause of the API's a sentence.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	if c := text[0]; c >= 'a' && c <= 'z' {
		text = string(c-'a'+'A') + text[1:]
	}
	if last := text[len(text)-1]; last != '.' && last != '!' && last != '?' {
		text += "."
	}
	return text
}
