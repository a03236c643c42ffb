package dashboard

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"

	"jethook/consume/admin"
	"jethook/consume/attempt"
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
	Notes      []note
	Stuck      uint64
	Day        endpointDay
	Share      string // of the last hour's requests that went well
	Headers    []string
	Schedule   string
	Timeout    string
	Rate       string
	Passed     bool // events pass it by while it is disabled
	Rows       []deliveryRow
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

func (s *Server) endpoint(w http.ResponseWriter, r *http.Request) error {
	e, _, err := s.api.Endpoint(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	shown := endpointPage{Endpoint: &e, URL: shownURL(&e), State: status.Healthy, Passed: e.PassesBy(), Key: rand.Text(), Defaults: s.blankForm().Defaults}
	if e.Disabled {
		shown.State = status.Disabled
	}
	st, err := s.api.Status(r.Context())
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(st.Endpoints, func(have status.Endpoint) bool { return have.ID == e.ID }); i >= 0 {
		shown.of(&st.Endpoints[i])
		shown.Notes = s.endpointNotes(&st.Endpoints[i], 0, st.At)
	}
	shown.settings(&e)
	s.days.Look(r.Context())
	shown.Day = s.endpointDay(e.ID)
	page, err := s.api.Deliveries(r.Context(), &admin.DeliveryFilter{
		PageParams: admin.PageParams{Limit: lastDeliveries}, FilterParams: admin.FilterParams{Endpoint: e.ID},
	})
	if err != nil {
		return err
	}
	shown.Rows = s.deliveryRows(page.Items)
	if shown.Recoveries, err = s.recoveriesOf(r, e.ID); err != nil {
		return err
	}
	return s.render(w, r, "endpoint", view{Title: e.Name, Nav: "/endpoints", Live: true, Data: &shown})
}

// of takes over how the endpoint fares.
func (p *endpointPage) of(st *status.Endpoint) {
	p.Status, p.Stuck = st, st.Waiting+st.Behind
	if !p.Endpoint.Disabled && st.State != status.Disabled { // the record is newer than the status
		p.State = st.State
	}
	if st.Success != nil {
		p.Share = formatShare(*st.Success)
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
func (s *Server) recoveriesOf(r *http.Request, id string) ([]recovery.Recovery, error) {
	all, err := s.api.Recoveries(r.Context())
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(slices.Clone(all), func(rec recovery.Recovery) bool { return rec.Endpoint != id })
	return all[:min(len(all), 3)], nil
}

func (s *Server) disableEndpoint(w http.ResponseWriter, r *http.Request) error {
	e, _, err := s.api.Endpoint(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	back := s.pathOf("/endpoints", e.ID)
	text := "What waits for it stays until it is enabled. Events that come meanwhile pass it by; enabling it can ask for them."
	if e.Ordered {
		text = "What waits for it stays until it is enabled, and so does what comes meanwhile: it is ordered."
	}
	yes, err := s.confirm(w, r, &question{
		Title: "Disable " + e.Name + "?", Nav: "/endpoints", Back: back, Button: "Disable it", Danger: true, Text: []string{text},
	})
	if !yes {
		return err
	}
	if err := s.api.DisableEndpoint(r.Context(), e.ID); err != nil {
		return err
	}
	return s.seeOther(w, r, back, "It is disabled and gets nothing.")
}

// enableEndpoint enables an endpoint, with what passed it by since a time if that is asked for.
func (s *Server) enableEndpoint(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	from := strings.TrimSpace(r.PostForm.Get("from"))
	if from == "time" {
		from = strings.TrimSpace(r.PostForm.Get("time"))
	}
	if err := s.api.EnableEndpoint(r.Context(), id, from); err != nil {
		return err
	}
	text := "It is enabled. What waits for it is delivered now, the oldest first."
	if from != "" {
		text += " What passed it by is delivered too."
	}
	return s.seeOther(w, r, s.pathOf("/endpoints", id), text)
}

func (s *Server) removeEndpoint(w http.ResponseWriter, r *http.Request) error {
	e, _, err := s.api.Endpoint(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	yes, err := s.confirm(w, r, &question{
		Title: "Remove " + e.Name + " for good?", Nav: "/endpoints", Back: s.pathOf("/endpoints", e.ID), Button: "Remove it", Danger: true, Type: e.Name,
		Text: []string{"Its secrets, what waits for it and its dead letters go too, and can't be had back. The events and the history of its deliveries stay."},
	})
	if !yes {
		return err
	}
	if err := s.api.RemoveEndpoint(r.Context(), e.ID); err != nil {
		return err
	}
	return s.seeOther(w, r, "/endpoints", e.Name+" is removed.")
}

// secretsPage shows an endpoint's secrets, once.
type secretsPage struct {
	Endpoint *endpoint.Endpoint
	Rotated  bool
	Items    []admin.RevealedSecret
	About    string // what the newest one signs with
	Warnings []string
}

func (s *Server) revealSecrets(w http.ResponseWriter, r *http.Request) error {
	e, _, err := s.api.Endpoint(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	secrets, err := s.api.RevealSecrets(r.Context(), e.ID)
	if err != nil {
		return err
	}
	return s.render(w, r, "secrets", view{Title: "Secret of " + e.Name, Nav: "/endpoints", Data: &secretsPage{Endpoint: &e, Items: secrets.Items}})
}

// rotateEndpoint gives an endpoint a new secret and shows it. The form's key makes a page that is loaded again show the same one.
func (s *Server) rotateEndpoint(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	how := admin.Rotation{
		Secret: strings.TrimSpace(r.PostForm.Get("secret")), SecretType: r.PostForm.Get("secret_type"), Overlap: strings.TrimSpace(r.PostForm.Get("overlap")),
	}
	made, err := s.api.RotateEndpoint(r.Context(), id, how, r.PostForm.Get("key"))
	if err != nil {
		return err
	}
	secrets, err := s.api.RevealSecrets(r.Context(), id)
	if err != nil {
		return err
	}
	return s.render(w, r, "secrets", view{Title: "New secret of " + made.Name, Nav: "/endpoints", Data: &secretsPage{
		Endpoint: &made.Endpoint, Rotated: true, Items: secrets.Items, About: made.SignsWith, Warnings: made.Warnings,
	}})
}

// testPage shows a test of an endpoint: before it the exact request, after it request and answer.
type testPage struct {
	Endpoint *endpoint.Endpoint
	Type     string
	Types    []option
	Body     string
	Wrong    map[string]string
	Trial    *admin.Trial
	Exchange exchange
}

func (s *Server) endpointTest(w http.ResponseWriter, r *http.Request) error {
	return s.showTest(w, r, nil)
}

// showTest shows the form, with what is wrong with it, and the request that it would send.
func (s *Server) showTest(w http.ResponseWriter, r *http.Request, wrong []admin.FailureField) error {
	e, _, err := s.api.Endpoint(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	shown, err := s.testPage(r, &e)
	if err != nil {
		return err
	}
	code := http.StatusOK
	for _, w := range wrong {
		shown.Wrong[w.Field], code = w.Message, http.StatusUnprocessableEntity
	}
	preview, err := s.api.PreviewDraft(r.Context(), e.ID, &endpoint.Spec{}, "")
	if err != nil {
		shown.Exchange.None = sentence(s.api.Explain(err).Detail.Message)
	} else {
		preview.Request.URL = shownURL(&e)
		shown.Exchange.asked(&preview.Request, []byte(preview.Request.Body), "Body")
		shown.Exchange.Curl = ""
	}
	return s.render(w, r, "test", view{Title: "Test " + e.Name, Nav: "/endpoints", Status: code, Data: shown})
}

func (s *Server) testPage(r *http.Request, e *endpoint.Endpoint) (*testPage, error) {
	events, err := s.lastEvents(r.Context())
	if err != nil {
		return nil, err
	}
	return &testPage{Endpoint: e, Types: typeOptions(events), Type: r.PostForm.Get("type"), Body: r.PostForm.Get("data"), Wrong: map[string]string{}}, nil
}

// testEndpoint sends a test, and shows it with its answer.
func (s *Server) testEndpoint(w http.ResponseWriter, r *http.Request) error {
	e, _, err := s.api.Endpoint(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	shown, err := s.testPage(r, &e)
	if err != nil {
		return err
	}
	want := admin.TrialRequest{Type: strings.TrimSpace(shown.Type)}
	if data := strings.TrimSpace(shown.Body); data != "" {
		want.Data = json.RawMessage(data)
		if fault := jsonFault(data); fault != nil {
			return s.showTest(w, r, []admin.FailureField{{Field: "data", Message: fault.Text}})
		}
	}
	trial, err := s.api.TestEndpoint(r.Context(), e.ID, want)
	if err != nil {
		if f := s.api.Explain(err); len(f.Detail.Fields) > 0 {
			return s.showTest(w, r, f.Detail.Fields)
		}
		return err
	}
	shown.Trial = trial
	if trial.Request != nil {
		trial.Request.URL = shownURL(&e)
		shown.Exchange.asked(trial.Request, []byte(trial.Request.Body), "Body")
	}
	if answer := trial.Response; answer != nil {
		shown.Exchange.answered(answer.Status, answer.Headers, []byte(answer.Body), answer.Truncated)
	} else {
		shown.Exchange.None = sentence(cmp.Or(trial.Detail, string(trial.Class)))
	}
	return s.render(w, r, "test", view{Title: "Test " + e.Name, Nav: "/endpoints", Data: shown})
}
