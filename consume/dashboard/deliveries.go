package dashboard

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"jethook/consume/admin"
	"jethook/consume/attempt"
	"jethook/consume/deliveries"
	"jethook/consume/paging"
)

func (s *Server) deliveryRoutes() {
	s.page("GET /deliveries", s.deliveries)
	s.operate("POST /deliveries/retry", s.retryDeliveries)
	s.page("GET /deliveries/{id}", s.delivery)
	s.operate("POST /deliveries/{id}/retry", s.retryDelivery)
	s.page("GET /events/{id}/body", s.eventBytes)
	s.page("GET /events/{id}/text", s.wholeBody)
}

// deliveriesPage is the list of deliveries.
type deliveriesPage struct {
	Filter *filter
	Rows   []deliveryRow
	Pager  pager
	Wrong  []admin.FailureField // of the filter, beside its fields
	Retry  bool                 // something of what is shown can be retried
}

// deliveryRow is a delivery with what its endpoint is called.
type deliveryRow struct {
	deliveries.Delivery
	Name string
	Last int // the last attempt of the schedule; 0: not known
}

// pageSize is how many rows a list shows.
const pageSize = 50

func (s *Server) deliveries(w http.ResponseWriter, r *http.Request) error {
	shown := deliveriesPage{Filter: s.deliveryFilter(r)}
	v := view{Title: "Deliveries", Nav: "/deliveries", Live: r.URL.Query().Get("cursor") == "", Data: &shown}
	q := deliveryQuery(shown.Filter)
	q.Cursor, q.Limit = r.URL.Query().Get("cursor"), pageSize
	page, err := s.api.Deliveries(r.Context(), q)
	if err == nil {
		shown.Rows, shown.Pager = s.deliveryRows(page.Items), pagerOf(r, shown.Filter, page.NextCursor, len(page.Items))
	}
	if wrong, ok := errors.AsType[*admin.Failure](err); ok && len(wrong.Detail.Fields) > 0 {
		shown.Wrong = shown.Filter.blame(wrong.Detail.Fields)
		v.Status, v.Live = wrong.GetStatus(), false
	} else if err != nil {
		return err
	}
	for i := range shown.Rows {
		shown.Retry = shown.Retry || shown.Rows[i].Status != deliveries.StatusDelivered
	}
	return s.render(w, r, "deliveries", v)
}

func (s *Server) deliveryRows(items []deliveries.Delivery) []deliveryRow {
	rows := make([]deliveryRow, len(items))
	for i := range items {
		rows[i] = deliveryRow{Delivery: items[i], Name: s.endpointName(items[i].Endpoint), Last: s.attemptsOf(items[i].Endpoint)}
	}
	return rows
}

// endpointName is what people call an endpoint; its id when it is gone or nameless.
func (s *Server) endpointName(id string) string {
	if s.registry != nil {
		if e, ok := s.registry.Lookup(id); ok {
			return cmp.Or(e.Name, id)
		}
	}
	return id
}

// attemptsOf is how many attempts an endpoint's schedule has.
func (s *Server) attemptsOf(id string) int {
	if s.registry == nil {
		return 0
	}
	e, ok := s.registry.Lookup(id)
	switch {
	case !ok:
		return 0
	case e.RetrySchedule != nil:
		return len(e.RetrySchedule) + 1
	default:
		return len(s.cfg.RetrySchedule) + 1
	}
}

func (s *Server) deliveryFilter(r *http.Request) *filter {
	classes := []option{{"", "any"}}
	for _, c := range attempt.Classes {
		if c != attempt.ClassNone {
			classes = append(classes, option{string(c), string(c)})
		}
	}
	return filterOf(r, "/deliveries",
		field{Name: "status", Label: "State", Kind: "select", Options: []option{{"", "any"}, {"waiting", "waiting"}, {"dead", "dead"}, {"delivered", "delivered"}}},
		field{Name: "endpoint", Label: "Endpoint", Hint: "ep_…", Options: s.endpointOptions(), Wide: true},
		field{Name: "type", Label: "Event type", Hint: "order.*"},
		field{Name: "code", Label: "HTTP code", Kind: "number", Hint: "503"},
		field{Name: "class", More: true, Label: "Fault", Kind: "select", Options: classes},
		field{Name: "event", More: true, Label: "Event id", Hint: "evt_…"},
		field{Name: "since", Label: "Since", Hint: "24h"},
		field{Name: "until", More: true, Label: "Until", Hint: "1h, or a time"},
	)
}

// maxSuggested bounds how many endpoints a page carries as suggestions: a page must stay small with thousands of them.
const maxSuggested = 100

// endpointOptions suggests endpoints for a field that takes an id.
func (s *Server) endpointOptions() (options []option) {
	if s.registry == nil {
		return nil
	}
	for _, e := range s.registry.All() {
		if len(options) == maxSuggested {
			break
		}
		options = append(options, option{e.ID, e.Name})
	}
	return options
}

// deliveryQuery reads what the filter chooses, as the API does.
func deliveryQuery(f *filter) *admin.DeliveryFilter {
	code := 0
	if text := f.get("code"); text != "" {
		var err error
		if code, err = strconv.Atoi(text); err != nil || code == 0 {
			code = -1 // which the API refuses by name
		}
	}
	return &admin.DeliveryFilter{
		FilterParams: admin.FilterParams{Endpoint: f.get("endpoint"), Since: f.get("since"), Until: f.get("until")},
		TraitParams:  admin.TraitParams{Event: f.get("event"), Type: f.get("type"), Class: f.get("class"), Code: code},
		Status:       f.get("status"),
	}
}

// countLimit is up to how many things are counted before a bulk change asks: beyond, it says "1,000+".
const countLimit = 1000

// retryDeliveries retries what was selected, or all that the filter chooses, after it has asked.
func (s *Server) retryDeliveries(w http.ResponseWriter, r *http.Request) error {
	ids := r.PostForm["id"]
	choice, err := bulkChoice(r, "/deliveries", s.deliveryFilter)
	if err != nil {
		return err
	}
	if r.PostForm.Get("what") != "filter" {
		if len(ids) == 0 {
			return s.seeOther(w, r, choice.back, "Nothing is selected.")
		}
		return s.retryThese(w, r, ids, choice.back)
	}
	q := deliveryQuery(choice.filter)
	found, more, err := s.collectDeliveries(r.Context(), *q, countLimit)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return s.seeOther(w, r, choice.back, "Nothing that this filter chooses waits or is dead.")
	}
	about := countText(len(found), more, "delivery", "deliveries")
	yes, err := s.confirm(w, r, &question{
		Title: "Retry " + about + "?", Nav: "/deliveries", Back: choice.back, Button: "Retry " + about,
		Text: []string{"What waits is attempted now and keeps its place in the schedule; what is dead begins a new schedule.", choice.words()},
	})
	if !yes {
		return err
	}
	work := func(ctx context.Context, j *job) error { return s.retryAll(ctx, *q, j) }
	if !s.start(r, "Retrying "+about, len(found), more, work) {
		return s.seeOther(w, r, choice.back, "Too much is under way; try again when it is done.")
	}
	return s.seeOther(w, r, choice.back, "")
}

// countText is a count that may be a lower bound, with its noun.
func countText(n int, more bool, one, many string) string {
	if more {
		return formatCount(n) + "+ " + many
	}
	return plural(n, one, many)
}

// choice is what a bulk form was sent for.
type choice struct {
	back   string // the list, as it was
	filter *filter
}

// bulkChoice reads the filter that a bulk form carries in its field "filter", as the query of the list. What the list's filter, made
// by fields, does not know is refused: it would choose more than is meant.
func bulkChoice(r *http.Request, list string, fields func(*http.Request) *filter) (c choice, err error) {
	given, err := url.ParseQuery(strings.TrimPrefix(r.PostForm.Get("filter"), "?"))
	if err != nil {
		return c, errForm
	}
	u := &url.URL{Path: list, RawQuery: given.Encode()}
	c = choice{back: u.String(), filter: fields(&http.Request{Method: http.MethodGet, URL: u})}
	for name := range given {
		if !slices.ContainsFunc(c.filter.Fields, func(f field) bool { return f.Name == name }) {
			return c, errForm
		}
	}
	return c, nil
}

// words says what the filter chooses.
func (c *choice) words() string {
	f := c.filter
	text := ""
	for i := range f.Fields {
		if v := f.Fields[i].Value; v != "" {
			text += fmt.Sprintf(", %s: %s", f.Fields[i].Label, v)
		}
	}
	if text == "" {
		return "No filter is set: it is everything that waits or is dead."
	}
	return "Chosen by " + text[2:] + "."
}

// retryThese retries the deliveries with these ids after it has asked.
func (s *Server) retryThese(w http.ResponseWriter, r *http.Request, ids []string, back string) error {
	about := plural(len(ids), "delivery", "deliveries")
	yes, err := s.confirm(w, r, &question{
		Title: "Retry " + about + "?", Nav: "/deliveries", Back: back, Button: "Retry " + about,
		Text: []string{"What waits is attempted now and keeps its place in the schedule; what is dead begins a new schedule."},
	})
	if !yes {
		return err
	}
	work := func(ctx context.Context, j *job) error {
		for _, id := range ids {
			if err := s.retryOne(ctx, id, j); err != nil {
				return err
			}
		}
		return nil
	}
	if !s.start(r, "Retrying "+about, len(ids), false, work) {
		return s.seeOther(w, r, back, "Too much is under way; try again when it is done.")
	}
	return s.seeOther(w, r, back, "")
}

// retryOne retries one of many. What is delivered meanwhile, or can't be retried as it is, is passed over.
func (s *Server) retryOne(ctx context.Context, id string, j *job) error {
	err := s.api.RetryDelivery(ctx, id)
	if err == nil {
		j.add(1, 0)
		return nil
	}
	if f := s.api.Explain(err); f.GetStatus() < http.StatusInternalServerError {
		j.add(0, 1)
		return nil
	}
	return err
}

// retryAll retries what q chooses at this moment: what fails again meanwhile is not chosen a second time.
func (s *Server) retryAll(ctx context.Context, q admin.DeliveryFilter, j *job) error {
	return s.eachDelivery(ctx, q, func(d *deliveries.Delivery) (bool, error) { return true, s.retryOne(ctx, d.ID, j) })
}

// collectDeliveries returns those that q chooses and that can be retried, at most so many, and whether there are more.
func (s *Server) collectDeliveries(ctx context.Context, q admin.DeliveryFilter, most int) (ids []string, more bool, err error) {
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
func (s *Server) eachDelivery(ctx context.Context, q admin.DeliveryFilter, do func(*deliveries.Delivery) (bool, error)) error {
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
			page, err := s.api.Deliveries(ctx, &q)
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
