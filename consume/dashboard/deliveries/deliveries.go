// Package deliveries is the pages of deliveries and of dead letters.
package deliveries

import (
	"context"
	"embed"
	"errors"
	"net/http"
	"strconv"

	"jethook/consume/admin"
	admindeliveries "jethook/consume/admin/deliveries"
	"jethook/consume/admin/operation"
	"jethook/consume/attempt"
	"jethook/consume/dashboard/format"
	"jethook/consume/dashboard/frame"
	"jethook/consume/dashboard/names"
	"jethook/consume/deliveries"
	"jethook/consume/paging"
)

//go:embed *.html
var templates embed.FS

type pages struct {
	*frame.Frame
	api     *admin.Server
	names   *names.Names
	grouped lastGroups
}

// Add adds the pages to a frame.
func Add(f *frame.Frame, api *admin.Server, n *names.Names) {
	s := &pages{Frame: f, api: api, names: n}
	f.Templates(templates)
	f.Page("GET /deliveries", s.deliveries)
	f.Operate("POST /deliveries/retry", s.retryDeliveries)
	f.Page("GET /deliveries/{id}", s.delivery)
	f.Operate("POST /deliveries/{id}/retry", s.retryDelivery)
	f.Page("GET /dead", s.dead)
	f.Operate("POST /dead", s.changeDead)
}

// deliveriesPage is the list of deliveries.
type deliveriesPage struct {
	Filter *frame.Filter
	Rows   []names.Row
	Pager  frame.Pager
	Wrong  []operation.FailureField // of the filter, beside its fields
	Retry  bool                     // something of what is shown can be retried
}

func (s *pages) deliveries(w http.ResponseWriter, r *http.Request) error {
	shown := deliveriesPage{Filter: s.deliveryFilter(r)}
	v := frame.View{Title: "Deliveries", Nav: "/deliveries", Live: r.URL.Query().Get("cursor") == "", Data: &shown}
	q := deliveryQuery(shown.Filter)
	q.Cursor, q.Limit = r.URL.Query().Get("cursor"), frame.PageSize
	page, err := s.api.Deliveries.List(r.Context(), q)
	if err == nil {
		shown.Rows, shown.Pager = s.names.Rows(page.Items), frame.PagerOf(r, shown.Filter, page.NextCursor, len(page.Items))
	}
	if wrong, ok := errors.AsType[*operation.Failure](err); ok && len(wrong.Detail.Fields) > 0 {
		shown.Wrong = shown.Filter.Blame(wrong.Detail.Fields)
		v.Status, v.Live = wrong.GetStatus(), false
	} else if err != nil {
		return err
	}
	for i := range shown.Rows {
		shown.Retry = shown.Retry || shown.Rows[i].Status != deliveries.StatusDelivered
	}
	return s.Render(w, r, "deliveries", v)
}

func (s *pages) deliveryFilter(r *http.Request) *frame.Filter {
	classes := []frame.Option{{Label: "any"}}
	for _, c := range attempt.Classes {
		if c != attempt.ClassNone {
			classes = append(classes, frame.Option{Value: string(c), Label: string(c)})
		}
	}
	return frame.FilterOf(r, "/deliveries",
		frame.Field{Name: "status", Label: "State", Kind: "select", Options: frame.Choices("waiting", "dead", "delivered")},
		frame.Field{Name: "endpoint", Label: "Endpoint", Hint: "ep_…", Options: s.names.Options(), Wide: true},
		frame.Field{Name: "type", Label: "Event type", Hint: "order.*"},
		frame.Field{Name: "code", Label: "HTTP code", Kind: "number", Hint: "503"},
		frame.Field{Name: "class", More: true, Label: "Fault", Kind: "select", Options: classes},
		frame.Field{Name: "event", More: true, Label: "Event id", Hint: "evt_…"},
		frame.Field{Name: "since", Label: "Since", Hint: "24h"},
		frame.Field{Name: "until", More: true, Label: "Until", Hint: "1h, or a time"},
	)
}

// deliveryQuery reads what the filter chooses, as the API does.
func deliveryQuery(f *frame.Filter) *admindeliveries.DeliveryFilter {
	code := 0
	if text := f.Get("code"); text != "" {
		var err error
		if code, err = strconv.Atoi(text); err != nil || code == 0 {
			code = -1 // which the API refuses by name
		}
	}
	return &admindeliveries.DeliveryFilter{
		FilterParams: admindeliveries.FilterParams{Endpoint: f.Get("endpoint"), Since: f.Get("since"), Until: f.Get("until")},
		TraitParams:  admindeliveries.TraitParams{Event: f.Get("event"), Type: f.Get("type"), Class: f.Get("class"), Code: code},
		Status:       f.Get("status"),
	}
}

// retryDeliveries retries what was selected, or all that the filter chooses, after it has asked.
func (s *pages) retryDeliveries(w http.ResponseWriter, r *http.Request) error {
	ids := r.PostForm["id"]
	choice, err := frame.Chosen(r, "/deliveries", s.deliveryFilter)
	if err != nil {
		return err
	}
	if r.PostForm.Get("what") != "filter" {
		if len(ids) == 0 {
			return s.SeeOther(w, r, choice.Back, "Nothing is selected.")
		}
		return s.retryThese(w, r, ids, choice.Back)
	}
	q := deliveryQuery(choice.Filter)
	found, more, err := s.collectDeliveries(r.Context(), *q, frame.CountLimit)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return s.SeeOther(w, r, choice.Back, "Nothing that matches this filter is waiting or dead.")
	}
	about := format.AtLeast(len(found), more, "delivery", "deliveries")
	yes, err := s.Confirm(w, r, &frame.Question{
		Title: "Retry " + about + "?", Nav: "/deliveries", Back: choice.Back, Button: "Retry " + about,
		Text: []string{"Waiting deliveries are attempted now and keep their place in the schedule; dead ones start a new schedule.", choice.Words()},
	})
	if !yes {
		return err
	}
	work := func(ctx context.Context, j *frame.Job) error { return s.retryAll(ctx, *q, j) }
	if !s.Start(r, "Retrying "+about, len(found), more, work) {
		return s.SeeOther(w, r, choice.Back, "Too many jobs are running; try again when one is finished.")
	}
	return s.SeeOther(w, r, choice.Back, "")
}

// retryThese retries the deliveries with these ids after it has asked.
func (s *pages) retryThese(w http.ResponseWriter, r *http.Request, ids []string, back string) error {
	about := format.Plural(len(ids), "delivery", "deliveries")
	yes, err := s.Confirm(w, r, &frame.Question{
		Title: "Retry " + about + "?", Nav: "/deliveries", Back: back, Button: "Retry " + about,
		Text: []string{"Waiting deliveries are attempted now and keep their place in the schedule; dead ones start a new schedule."},
	})
	if !yes {
		return err
	}
	work := func(ctx context.Context, j *frame.Job) error {
		for _, id := range ids {
			if err := s.retryOne(ctx, id, j); err != nil {
				return err
			}
		}
		return nil
	}
	if !s.Start(r, "Retrying "+about, len(ids), false, work) {
		return s.SeeOther(w, r, back, "Too many jobs are running; try again when one is finished.")
	}
	return s.SeeOther(w, r, back, "")
}

// retryOne retries one of many. What is delivered meanwhile, or can't be retried as it is, is passed over.
func (s *pages) retryOne(ctx context.Context, id string, j *frame.Job) error {
	err := s.api.Deliveries.Retry(ctx, id)
	if err == nil {
		j.Add(1, 0)
		return nil
	}
	if f := s.api.Explain(err); f.GetStatus() < http.StatusInternalServerError {
		j.Add(0, 1)
		return nil
	}
	return err
}

// retryAll retries what q chooses at this moment: what fails again meanwhile is not chosen a second time.
func (s *pages) retryAll(ctx context.Context, q admindeliveries.DeliveryFilter, j *frame.Job) error {
	return s.eachDelivery(ctx, q, func(d *deliveries.Delivery) (bool, error) { return true, s.retryOne(ctx, d.ID, j) })
}

// collectDeliveries returns those that q chooses and that can be retried, at most so many, and whether there are more.
func (s *pages) collectDeliveries(ctx context.Context, q admindeliveries.DeliveryFilter, most int) (ids []string, more bool, err error) {
	err = s.eachDelivery(ctx, q, func(d *deliveries.Delivery) (bool, error) {
		if more = len(ids) == most; more {
			return false, nil
		}
		ids = append(ids, d.ID)
		return true, nil
	})
	return ids, more, err
}

// eachDelivery goes over what q chooses and what is not delivered, until do returns false.
func (s *pages) eachDelivery(ctx context.Context, q admindeliveries.DeliveryFilter, do func(*deliveries.Delivery) (bool, error)) error {
	statuses := []string{q.Status}
	if q.Status == "" {
		statuses = []string{string(deliveries.StatusWaiting), string(deliveries.StatusDead)}
	}
	q.Limit = paging.Max
	for _, status := range statuses {
		if status == string(deliveries.StatusDelivered) {
			continue
		}
		for q.Status, q.Cursor = status, ""; ; {
			page, err := s.api.Deliveries.List(ctx, &q)
			if err != nil {
				return err
			}
			for i := range page.Items {
				if more, err := do(&page.Items[i]); err != nil || !more {
					return err
				}
			}
			if q.Cursor = page.NextCursor; q.Cursor == "" {
				break
			}
		}
	}
	return nil
}
