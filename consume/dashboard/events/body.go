package events

import (
	"cmp"
	"fmt"
	"net/http"
	"strconv"

	"jethook/consume/admin/events"
	"jethook/consume/dashboard/exchange"
	"jethook/consume/dashboard/format"
	"jethook/consume/dashboard/frame"
)

// maxWhole bounds what the page of a body alone shows.
const maxWhole = 2 << 20

// wholeBodyPage is the body of an event and nothing else.
type wholeBodyPage struct {
	Type, Place, About string
	Pretty             bool
	CanPretty          bool
	Parts              []string // of the text, which browsers lay out one by one as they come into view
}

// wholeBody shows all of an event's body, laid out or as it came, in parts: a megabyte does not freeze the tab.
func (s *pages) wholeBody(w http.ResponseWriter, r *http.Request) error {
	event, err := s.api.Events.Stored(r.Context(), &events.EventParams{ID: r.PathValue("id")})
	if err != nil {
		return err
	}
	pretty, whole, kind := exchange.Pretty(event.Body, maxWhole)
	shown := wholeBodyPage{
		Type: event.Type, Place: r.PathValue("id"), CanPretty: kind == exchange.JSON, Pretty: kind == exchange.JSON && r.URL.Query().Get("as") != "raw",
		About: fmt.Sprintf("%s, %s", cmp.Or(event.ContentType, "Body"), format.Bytes(len(event.Body))),
	}
	if kind == exchange.JSON && !shown.Pretty {
		pretty, whole = exchange.Raw(event.Body, maxWhole)
	}
	if !whole {
		shown.About += ", of which this is the beginning; download it to see all of it"
	}
	shown.Parts = exchange.Parts(format.Visible(pretty))
	return s.Render(w, r, "wholebody", frame.View{Title: "Body of " + event.Type, Nav: "/events", Data: &shown})
}

// eventBytes hands an event's body over as a file, so that no browser shows what a sender wrote as a page.
func (s *pages) eventBytes(w http.ResponseWriter, r *http.Request) error {
	event, err := s.api.Events.Stored(r.Context(), &events.EventParams{ID: r.PathValue("id")})
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", `attachment; filename="body"`)
	h.Set("Content-Length", strconv.Itoa(len(event.Body)))
	_, _ = w.Write(event.Body) // the browser went away
	return nil
}
