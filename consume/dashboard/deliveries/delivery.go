package deliveries

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"jethook/consume/admin/events"
	"jethook/consume/archive"
	"jethook/consume/dashboard/exchange"
	"jethook/consume/dashboard/format"
	"jethook/consume/dashboard/frame"
	"jethook/consume/dashboard/names"
	"jethook/consume/deliveries"
	"jethook/consume/endpoint"
	"jethook/consume/history"
	"jethook/publish/delivery"
	"jethook/publish/failure"
)

// deliveryPage is one delivery.
type deliveryPage struct {
	names.Row
	History  []attemptView // the newest first
	Made     int           // how many attempts there were
	Coming   int           // the number of the next one
	More     bool          // the history has older ones
	Chosen   *attemptView  // whose request and answer are shown; nil: there was none
	Exchange exchange.Exchange
	Note     string // on the request's body
	Large    bool   // the body is not shown whole
	Event    string // its place, by which it is found
	CanRetry bool
}

// attemptView is one attempt.
type attemptView struct {
	history.Attempt
	Chosen bool
}

func (s *pages) delivery(w http.ResponseWriter, r *http.Request) error {
	report, err := s.api.Deliveries.Get(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	rows := s.names.Rows([]deliveries.Delivery{report.Delivery})
	shown := deliveryPage{
		Row: rows[0], More: report.NextCursor != "", Event: eventPlace(&report.Delivery), CanRetry: report.Status != deliveries.StatusDelivered,
		Made: report.Attempts, Coming: report.Attempts + 1, Note: s.formatNote(report.Endpoint),
	}
	for i := range report.History {
		shown.History = append(shown.History, attemptView{Attempt: report.History[i]})
	}
	chosen := r.URL.Query().Get("attempt")
	for i := range shown.History {
		if a := &shown.History[i]; shown.Chosen == nil && (chosen == "" || chosen == strconv.Itoa(a.Attempt.Attempt)) {
			a.Chosen, shown.Chosen = true, a
		}
	}
	body, contentType, gone, stored, err := s.eventBody(r, &report.Delivery, shown.Event)
	if err != nil {
		return err
	}
	if shown.Chosen != nil {
		shown.Exchange = exchange.Of(&shown.Chosen.Attempt, body, contentType, gone)
	} else {
		shown.Exchange.Body = exchange.BodyOf("request", contentType, body)
	}
	if gone != "" {
		shown.Exchange.Body = exchange.Body{Empty: gone}
	}
	shown.Large = shown.Exchange.Body.Cut && stored
	return s.Render(w, r, "delivery", frame.View{Title: report.Type, Nav: "/deliveries", Live: true, Data: &shown})
}

// formatNote says that an endpoint gets something made of the event, and not its body.
func (s *pages) formatNote(id string) string {
	if e, ok := s.names.Lookup(id); ok && e.Format != endpoint.FormatRaw && e.Format != "" {
		return fmt.Sprintf("This endpoint gets a %s message made from the event. The body below is the event's.", e.Format)
	}
	return ""
}

// eventPlace is the place of a delivery's event in its stream, by which it is found at once; or its id.
func eventPlace(d *deliveries.Delivery) string {
	_, _, place, ok := delivery.PlaceOf(d.ID)
	if !ok {
		return d.EventID
	}
	return fmt.Sprintf("%s-%d", d.Stream(), place)
}

// eventBody returns the body of a delivery's event, and whether the event is still stored. That it is gone is no fault of the page.
func (s *pages) eventBody(r *http.Request, d *deliveries.Delivery, place string) (body []byte, contentType, gone string, stored bool, err error) {
	event, err := s.api.Events.Stored(r.Context(), &events.EventParams{ID: place})
	switch {
	case err == nil && event.ID == d.EventID:
		return event.Body, cmp.Or(event.ContentType, "Body"), "", true, nil
	case err == nil, errors.Is(err, archive.ErrNoEvent), errors.Is(err, archive.ErrSearchTime), errors.Is(err, failure.ErrBodyGone):
		if d.Body == "" {
			return nil, "", "The event is no longer stored: retention has removed it.", false, nil
		}
		about := "Body, from the dead letter"
		if d.Cut {
			about += ": the beginning"
		}
		return []byte(d.Body), about, "", false, nil
	default:
		return nil, "", "", false, err
	}
}

// retryDelivery attempts one delivery now. The page's button is its own confirmation; a delivery that was taken meanwhile says so.
func (s *pages) retryDelivery(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	back := format.Path("/deliveries", id)
	if err := s.api.Deliveries.Retry(r.Context(), id); err != nil {
		f := s.api.Explain(err)
		if f.GetStatus() != http.StatusConflict && f.GetStatus() != http.StatusNotFound {
			return err
		}
		return s.SeeOther(w, r, back, format.Sentence(f.Detail.Message))
	}
	return s.SeeOther(w, r, back, "It is being attempted now.")
}
