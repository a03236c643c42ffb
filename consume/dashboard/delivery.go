package dashboard

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"jethook/consume"
	"jethook/consume/admin"
	"jethook/publish"
)

// deliveryPage is one delivery.
type deliveryPage struct {
	deliveryRow
	History  []attemptView // the newest first
	Made     int           // how many attempts there were
	Coming   int           // the number of the next one
	More     bool          // the history has older ones
	Chosen   *attemptView  // whose request and answer are shown; nil: there was none
	Body     bodyView      // of the event
	Event    string        // its place, by which it is found
	CanRetry bool
}

// attemptView is one attempt.
type attemptView struct {
	consume.Attempt
	Request []admin.Header
	Answer  bodyView
	Chosen  bool
}

func (s *Server) delivery(w http.ResponseWriter, r *http.Request) error {
	report, err := s.api.Delivery(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	rows := s.deliveryRows([]consume.Delivery{report.Delivery})
	shown := deliveryPage{
		deliveryRow: rows[0], More: report.NextCursor != "", Event: eventPlace(&report.Delivery), CanRetry: report.Status != consume.StatusDelivered,
		Made: report.Attempts, Coming: report.Attempts + 1,
	}
	for i := range report.History {
		shown.History = append(shown.History, viewOfAttempt(&report.History[i]))
	}
	chosen := r.URL.Query().Get("attempt")
	for i := range shown.History {
		if a := &shown.History[i]; shown.Chosen == nil && (chosen == "" || chosen == fmt.Sprint(a.Attempt.Attempt)) {
			a.Chosen, shown.Chosen = true, a
		}
	}
	if shown.Body, err = s.eventBody(r, &report.Delivery, shown.Event); err != nil {
		return err
	}
	return s.render(w, r, "delivery", view{Title: report.Type, Nav: "/deliveries", Live: true, Data: &shown})
}

func viewOfAttempt(a *consume.Attempt) attemptView {
	v := attemptView{Attempt: *a, Answer: viewOfBody("answer", "Answer", []byte(a.Response))}
	if a.Truncated {
		v.Answer.About += ", the beginning; no more was kept"
	}
	if a.Request != nil {
		for _, name := range slices.Sorted(maps.Keys(a.Request.Headers)) {
			v.Request = append(v.Request, admin.Header{Name: name, Value: a.Request.Headers[name]})
		}
	}
	return v
}

// eventPlace is the place of a delivery's event in its stream, by which it is found at once; or its id.
func eventPlace(d *consume.Delivery) string {
	_, _, place, ok := publish.PlaceOf(d.ID)
	if !ok {
		return d.EventID
	}
	stream := publish.StreamWebhooks
	if !strings.HasPrefix(d.Subject, "webhooks.") {
		stream = publish.StreamEvents
	}
	return fmt.Sprintf("%s-%d", stream, place)
}

// eventBody shows the body of a delivery's event. That it is gone is no fault of the page.
func (s *Server) eventBody(r *http.Request, d *consume.Delivery, place string) (bodyView, error) {
	event, err := s.api.StoredEvent(r.Context(), &admin.EventParams{ID: place})
	if err != nil && !errors.Is(err, consume.ErrNoEvent) && !errors.Is(err, consume.ErrSearchTime) && !errors.Is(err, publish.ErrBodyGone) {
		return bodyView{}, err
	}
	if err != nil || event.ID != d.EventID {
		if d.Body != "" {
			v := viewOfBody("event", "Event", []byte(d.Body))
			if d.Cut {
				v.About += ", the beginning; the event itself is gone"
			}
			return v, nil
		}
		return bodyView{Empty: "The event is not stored any more: its retention has ended."}, nil
	}
	return viewOfBody("event", cmp.Or(event.ContentType, "Event"), event.Body), nil
}

// retryDelivery attempts one delivery now. The page's button is its own confirmation; a delivery that was taken meanwhile says so.
func (s *Server) retryDelivery(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	back := s.pathOf("/deliveries", id)
	if err := s.api.RetryDelivery(r.Context(), id); err != nil {
		f := s.api.Explain(err)
		if f.GetStatus() != http.StatusConflict && f.GetStatus() != http.StatusNotFound {
			return err
		}
		return s.seeOther(w, r, back, sentence(f.Detail.Message))
	}
	return s.seeOther(w, r, back, "It is being attempted now.")
}
