package frame

import (
	"errors"
	"net/http"

	"jethook/consume/admin/operation"
	"jethook/consume/dashboard/format"
	"jethook/consume/dashboard/session"
)

// Faults of a request that neither the API nor the session knows.
var (
	ErrNoPage   = errors.New("no such page")
	ErrNoneKept = errors.New("this process has no endpoints")
)

// fault is an error as a page shows it.
type fault struct {
	Status      int
	Title, Text string
	Fields      []operation.FailureField
	Back        string // where to go on
}

// faultOf puts an error into words: the dashboard's own, or the API's.
func (f *Frame) faultOf(err error) fault {
	switch {
	case errors.Is(err, ErrNoPage):
		return fault{Status: http.StatusNotFound, Title: "There is no such page", Text: "The address may be wrong, or what it showed no longer exists."}
	case errors.Is(err, session.ErrReadOnly):
		return fault{Status: http.StatusForbidden, Title: "This login is read-only", Text: "Sign out, and sign in with the admin token to change things."}
	case errors.Is(err, session.ErrNotAdmin):
		return fault{Status: http.StatusForbidden, Title: "This login only operates", Text: "Sign out, and sign in with the admin token to change endpoints, secrets, and what is stored."}
	case errors.Is(err, session.ErrForm):
		return fault{Status: http.StatusForbidden, Title: "That form is out of date", Text: "It was opened before the last sign-in, or another site sent it. Nothing was changed. Open the page again and repeat the change."}
	case errors.Is(err, session.ErrLargeForm):
		return fault{Status: http.StatusRequestEntityTooLarge, Title: "The form is too large", Text: "The form is larger than 16 MiB, or was cut off. Nothing was changed."}
	}
	if errors.Is(err, ErrNoneKept) {
		return fault{Status: http.StatusNotFound, Title: "This process has no endpoints", Text: "Open the dashboard of a jethook serve or jethook consume."}
	}
	failed := f.api.Explain(err)
	shown := fault{Status: failed.GetStatus(), Title: "That did not work", Text: format.Sentence(failed.Detail.Message), Fields: failed.Detail.Fields}
	switch shown.Status {
	case http.StatusNotFound:
		shown.Title = "Not found"
	case http.StatusServiceUnavailable:
		shown.Title = "The store does not answer"
	case http.StatusInternalServerError:
		shown.Title = "Something went wrong"
	}
	return shown
}

// fail answers an error with a page.
func (f *Frame) fail(w http.ResponseWriter, r *http.Request, err error) {
	shown := f.faultOf(err)
	shown.Back = "/"
	if r.Header.Get("HX-Request") != "" { // a live page keeps what it shows
		http.Error(w, shown.Title+": "+shown.Text, shown.Status)
		return
	}
	if err := f.Render(w, r, "fault", View{Title: shown.Title, Status: shown.Status, Data: shown}); err != nil {
		f.Log.Error("error page failed", "error", err)
		http.Error(w, shown.Title, shown.Status)
	}
}
