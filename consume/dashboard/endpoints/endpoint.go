package endpoints

import (
	"crypto/rand"
	"maps"
	"net/http"
	"slices"
	"strings"

	"jethook/consume/admin/deliveries"
	"jethook/consume/admin/operation"
	"jethook/consume/attempt"
	"jethook/consume/dashboard/format"
	"jethook/consume/dashboard/frame"
	"jethook/consume/dashboard/names"
	"jethook/consume/dashboard/trouble"
	"jethook/consume/endpoint"
	"jethook/consume/recovery"
	"jethook/consume/status"
)

// endpointPage is one endpoint.
type endpointPage struct {
	Endpoint   *endpoint.Endpoint
	URL        string // as it may be shown
	State      status.State
	Status     *status.Endpoint // nil: it is too new
	Notes      []trouble.Note
	Stuck      uint64
	Day        endpointDay
	Share      string // of the last hour's requests that went well
	Headers    []string
	Schedule   string
	Timeout    string
	Rate       string
	Passed     bool // events pass it by while it is disabled
	Rows       []names.Row
	Recoveries []recovery.Recovery
	Overlaps   []overlap
	Key        string // names a rotation
	Defaults   formDefaults
}

// overlap is a secret that still signs.
type overlap struct {
	Newest  bool
	Expires any
	Kind    string
}

// lastDeliveries is how many deliveries an endpoint's page shows.
const lastDeliveries = 10

// shownURL is an endpoint's address without what may be secret in it.
func shownURL(e *endpoint.Endpoint) string { return attempt.ShownURL(e) }

func (s *pages) endpoint(w http.ResponseWriter, r *http.Request) error {
	e, _, err := s.api.Endpoints.Get(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	shown := endpointPage{Endpoint: &e, URL: shownURL(&e), State: status.Healthy, Passed: e.PassesBy(), Key: rand.Text(), Defaults: s.defaults}
	if e.Disabled {
		shown.State = status.Disabled
	}
	st, err := s.api.Status(r.Context())
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(st.Endpoints, func(have status.Endpoint) bool { return have.ID == e.ID }); i >= 0 {
		shown.of(&st.Endpoints[i])
		shown.Notes = s.trouble.OfEndpoint(&st.Endpoints[i], 0, st.At)
	}
	shown.settings(&e)
	s.days.Look(r.Context())
	shown.Day = s.endpointDay(e.ID)
	page, err := s.api.Deliveries.List(r.Context(), &deliveries.DeliveryFilter{
		PageParams: operation.PageParams{Limit: lastDeliveries}, FilterParams: deliveries.FilterParams{Endpoint: e.ID},
	})
	if err != nil {
		return err
	}
	shown.Rows = s.names.Rows(page.Items)
	if shown.Recoveries, err = s.recoveriesOf(r, e.ID); err != nil {
		return err
	}
	return s.Render(w, r, "endpoint", frame.View{Title: e.Name, Nav: "/endpoints", Live: true, Data: &shown})
}

// of takes over how the endpoint fares.
func (p *endpointPage) of(st *status.Endpoint) {
	p.Status, p.Stuck = st, st.Waiting+st.Behind
	if !p.Endpoint.Disabled && st.State != status.Disabled { // the record is newer than the status
		p.State = st.State
	}
	if st.Success != nil {
		p.Share = format.Share(*st.Success)
	}
}

// settings puts what was chosen for the endpoint into words.
func (p *endpointPage) settings(e *endpoint.Endpoint) {
	p.Headers = slices.Sorted(maps.Keys(e.Headers))
	p.Schedule = p.Defaults.Schedule
	if e.RetrySchedule != nil {
		p.Schedule = pausesText(e.RetrySchedule)
	}
	if p.Schedule == "none" || p.Schedule == "" {
		p.Schedule = "a single attempt"
	} else {
		p.Schedule = "again after " + p.Schedule
	}
	p.Timeout = p.Defaults.Timeout
	if e.Timeout != 0 {
		p.Timeout = e.Timeout.String()
	}
	if rate := e.Rate(); rate != nil {
		p.Rate = rate.String()
	}
	for i, secret := range e.Secrets {
		o := overlap{Newest: i == 0, Kind: string(secret.Kind(e.Signature.Scheme))}
		if !secret.Expires.IsZero() {
			o.Expires = secret.Expires
		}
		p.Overlaps = append(p.Overlaps, o)
	}
}

// recoveriesOf are an endpoint's recoveries, the newest first.
func (s *pages) recoveriesOf(r *http.Request, id string) ([]recovery.Recovery, error) {
	all, err := s.api.Recoveries.List(r.Context())
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(slices.Clone(all), func(rec recovery.Recovery) bool { return rec.Endpoint != id })
	return all[:min(len(all), 3)], nil
}

func (s *pages) disableEndpoint(w http.ResponseWriter, r *http.Request) error {
	e, _, err := s.api.Endpoints.Get(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	back := format.Path("/endpoints", e.ID)
	text := "Its waiting deliveries are kept until you enable it. New events pass it by; when you enable it, you can have them delivered too."
	if e.Ordered {
		text = "Its waiting deliveries are kept until you enable it, and so are new events, because it is ordered."
	}
	yes, err := s.Confirm(w, r, &frame.Question{
		Title: "Disable " + e.Name + "?", Nav: "/endpoints", Back: back, Button: "Disable it", Danger: true, Text: []string{text},
	})
	if !yes {
		return err
	}
	if err := s.api.Endpoints.Disable(r.Context(), e.ID); err != nil {
		return err
	}
	return s.SeeOther(w, r, back, "It is disabled and gets nothing.")
}

// enableEndpoint enables an endpoint, with what has passed it by since a time if that is asked for.
func (s *pages) enableEndpoint(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	from := strings.TrimSpace(r.PostForm.Get("from"))
	if from == "time" {
		from = strings.TrimSpace(r.PostForm.Get("time"))
	}
	if err := s.api.Endpoints.Enable(r.Context(), id, from); err != nil {
		return err
	}
	text := "It is enabled. What is waiting for it is delivered now, oldest first."
	if from != "" {
		text += " Events that passed it by are delivered too."
	}
	return s.SeeOther(w, r, format.Path("/endpoints", id), text)
}

func (s *pages) removeEndpoint(w http.ResponseWriter, r *http.Request) error {
	e, _, err := s.api.Endpoints.Get(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	yes, err := s.Confirm(w, r, &frame.Question{
		Title: "Remove " + e.Name + " for good?", Nav: "/endpoints", Back: format.Path("/endpoints", e.ID), Button: "Remove it", Danger: true, Type: e.Name,
		Text: []string{"This also removes its secrets, its waiting deliveries and its dead letters, and can't be undone. The events and the history of its deliveries stay."},
	})
	if !yes {
		return err
	}
	if err := s.api.Endpoints.Remove(r.Context(), e.ID); err != nil {
		return err
	}
	return s.SeeOther(w, r, "/endpoints", e.Name+" is removed.")
}
