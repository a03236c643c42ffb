package endpoints

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"jethook/consume/admin/message"
	"jethook/consume/admin/operation"
	"jethook/consume/archive"
	"jethook/consume/attempt"
	"jethook/consume/dashboard/exchange"
	"jethook/consume/dashboard/format"
	"jethook/consume/dashboard/frame"
	"jethook/consume/dashboard/recent"
	"jethook/consume/endpoint"
	"jethook/consume/endpoint/signing"
)

// endpointForm is the form of a new endpoint, or of a change.
type endpointForm struct {
	ID    string // empty: a new one
	Tag   string // the change is refused if the endpoint was changed since
	Key   string // names the request, so that a form that is sent twice makes one endpoint
	Title string

	Name, URL, Patterns, Headers string
	Format                       string
	Own                          bool   // the secret is the operator's own
	SecretType                   string // of an own secret
	Signature, Second            *signatureForm
	CA, Certificate              string // in PEM
	HasKey                       bool   // the endpoint has a key for its certificate
	Schedule, Timeout            string
	RateLimit, Concurrency       string
	Ordered                      bool

	Defaults formDefaults
	Tree     []*recent.Node
	Seen     int // events that the tree is made of
	Wrong    map[string]string
	Rest     []operation.FailureField // what is wrong with no field of the form
	Draft    draft

	picked    []string // patterns chosen in the tree
	secret    string   // never shown again
	clientKey string   // neither
}

// formDefaults are what fields that are left empty mean.
type formDefaults struct{ Schedule, Timeout string }

// draft shows what an endpoint would be, while its form is filled in: {{template "draft"}}.
type draft struct {
	Format   string // that the URL's service takes; empty: raw
	Matches  int
	Of       int // events that were looked at
	Subjects []recent.Count
	More     int      // subjects that are not shown
	Wrong    []string // why there is no preview
	Sample   bool     // the preview is of a sample: no event matches
	About    string   // what the preview is of
	Request  *message.RequestShown
	Body     exchange.Body
}

// formats are those that can be chosen.
var formats = []frame.Option{
	{Value: "", Label: "depends on the URL’s service"},
	{Value: "raw", Label: "raw: the event’s body, unchanged"},
	{Value: "slack", Label: "slack: a Slack message"},
	{Value: "discord", Label: "discord: a Discord message"},
	{Value: "cloudevents", Label: "cloudevents: a CloudEvent in JSON"},
}

// Formats are the choices of the form's field.
func (f *endpointForm) Formats() []frame.Option { return formats }

func defaultsOf(schedule []time.Duration, timeout time.Duration) formDefaults {
	var pauses []string
	for _, p := range schedule {
		pauses = append(pauses, endpoint.Duration(p).String())
	}
	return formDefaults{Schedule: cmp.Or(strings.Join(pauses, ", "), "none"), Timeout: endpoint.Duration(timeout).String()}
}

func (s *pages) blankForm() endpointForm {
	return endpointForm{
		Title: "Add an endpoint", Key: rand.Text(), Wrong: map[string]string{},
		Signature: &signatureForm{Name: "signature", Scheme: string(signing.SchemeStandard)}, Second: &signatureForm{Name: "second_signature"},
		Defaults: s.defaults,
	}
}

// formOf is the form of a change, filled with what the endpoint is. What may be secret is masked, and stays as it is when it is
// sent back so.
func (s *pages) formOf(e *endpoint.Endpoint, tag string) endpointForm {
	f := s.blankForm()
	f.ID, f.Tag, f.Title, f.Key = e.ID, tag, "Edit "+e.Name, ""
	f.Name, f.URL, f.picked = e.Name, shownURL(e), e.Events
	if e.Format != endpoint.FormatOf(e.URL) {
		f.Format = string(e.Format)
	}
	for _, name := range slices.Sorted(maps.Keys(e.Headers)) {
		f.Headers += name + ": " + attempt.Masked + "\n"
	}
	f.Signature.of(&e.Signature)
	f.Second.of(e.Second)
	f.CA, f.Certificate, f.HasKey = e.CA, e.ClientCertificate, !e.ClientKey.IsZero()
	if e.RetrySchedule != nil {
		f.Schedule = cmp.Or(pausesText(e.RetrySchedule), "none")
	}
	if e.Timeout != 0 {
		f.Timeout = e.Timeout.String()
	}
	if e.RateLimit != nil {
		f.RateLimit = e.RateLimit.String()
	}
	if e.Concurrency != 0 {
		f.Concurrency = strconv.Itoa(e.Concurrency)
	}
	f.Ordered = e.Ordered
	return f
}

// fill reads what the operator sent.
func (f *endpointForm) fill(form url.Values) {
	get := func(name string) string { return strings.TrimSpace(form.Get(name)) }
	f.Name, f.URL, f.Patterns, f.Headers = get("name"), get("url"), get("events"), form.Get("headers")
	f.Format = get("format")
	f.Signature.fill(form)
	f.Second.fill(form)
	f.CA, f.Certificate, f.clientKey = get("ca"), get("client_certificate"), get("client_key")
	f.Schedule, f.Timeout, f.RateLimit, f.Concurrency = get("retry_schedule"), get("timeout"), get("rate_limit"), get("concurrency")
	f.Own, f.secret, f.SecretType = get("own") == "yes", get("secret"), get("secret_type")
	f.Ordered = form.Get("ordered") == "yes" || f.ID != "" && f.Ordered
	f.Key, f.Tag = cmp.Or(get("key"), f.Key), cmp.Or(get("tag"), f.Tag)
	f.picked = form["pick"]
}

// patterns are all that are chosen, in the tree and by hand, each once.
func (f *endpointForm) patterns() []string {
	all := []string{}
	for _, p := range append(slices.Clone(f.picked), strings.FieldsFunc(f.Patterns, func(r rune) bool { return r == '\n' || r == '\r' || r == ',' || r == ' ' })...) {
		if !slices.Contains(all, p) {
			all = append(all, p)
		}
	}
	return all
}

// spec is what the form says, for a new endpoint or as a change of old. It notes in Wrong what it can't read.
func (f *endpointForm) spec(old *endpoint.Endpoint) *endpoint.Spec {
	spec := &endpoint.Spec{Name: &f.Name, URL: &f.URL, Events: f.patterns(), Format: &f.Format, Timeout: &f.Timeout, RateLimit: &f.RateLimit}
	if old != nil && f.URL == shownURL(old) {
		spec.URL = nil
	}
	spec.RetrySchedule = pausesOf(f.Schedule)
	n := 0
	if f.Concurrency != "" {
		var err error
		if n, err = strconv.Atoi(f.Concurrency); err != nil {
			f.Wrong["concurrency"] = "must be a whole number"
		}
	}
	spec.Concurrency = &n
	spec.Headers = f.headers(old)
	f.signing(spec, old)
	f.identity(spec)
	if old == nil {
		spec.Ordered = &f.Ordered
		if f.Own {
			spec.Secret = &f.secret
			if f.secret == "" {
				f.Wrong["secret"] = "type or paste it; the form does not keep it"
			}
			if f.SecretType != "" {
				spec.SecretType = &f.SecretType
			}
		}
	}
	return spec
}

// blame notes what is wrong with which field.
func (f *endpointForm) blame(fields []operation.FailureField) {
	for _, w := range fields {
		name, _, _ := strings.Cut(w.Field, "[")
		name, _, _ = strings.Cut(name, ".")
		switch name {
		case "name", "url", "events", "secret", "secret_type", "format", "headers", "retry_schedule", "timeout", "rate_limit", "concurrency",
			"signature", "second_signature", "ca", "client_certificate", "client_key":
			f.Wrong[name] = strings.TrimPrefix(f.Wrong[name]+"; "+w.Message, "; ")
		default:
			f.Rest = append(f.Rest, w)
		}
	}
}

// settle arranges the tree and the free patterns, and shows the draft.
func (s *pages) settle(r *http.Request, f *endpointForm, old *endpoint.Endpoint) error {
	events, err := s.recent.Newest(r.Context())
	if err != nil {
		return err
	}
	f.Seen = len(events)
	chosen := f.patterns()
	f.Tree = recent.Tree(events, chosen)
	offered := recent.Patterns(f.Tree)
	free := slices.DeleteFunc(slices.Clone(chosen), func(p string) bool { return slices.Contains(offered, p) })
	f.Patterns = strings.Join(free, "\n")
	f.Draft = s.draftOf(r, f, old, events)
	return nil
}

const subjectsShown = 8

// draftOf looks at what the form says so far.
func (s *pages) draftOf(r *http.Request, f *endpointForm, old *endpoint.Endpoint, events []archive.StoredEvent) draft {
	spec := f.spec(old)
	d := draft{Of: len(events)}
	if format := endpoint.FormatOf(f.URL); format != endpoint.FormatRaw {
		d.Format = string(format)
	}
	var newest *archive.StoredEvent
	d.Matches, d.Subjects, newest = recent.Matching(events, f.patterns())
	if len(d.Subjects) > subjectsShown {
		d.More = len(d.Subjects) - subjectsShown
		d.Subjects = d.Subjects[:subjectsShown]
	}
	if f.URL == "" || len(f.patterns()) == 0 {
		return d
	}
	if f.Name == "" { // it does not show in a request
		name := "new"
		spec.Name = &name
	}
	place := ""
	if d.Sample = newest == nil; !d.Sample {
		place = fmt.Sprintf("%s-%d", newest.Stream, newest.Sequence)
	}
	shown, err := s.api.Trials.Preview(r.Context(), f.ID, spec, place)
	if err != nil {
		failed := s.api.Explain(err)
		for _, w := range failed.Detail.Fields {
			d.Wrong = append(d.Wrong, w.Field+": "+w.Message)
		}
		if len(d.Wrong) == 0 {
			d.Wrong = []string{format.Sentence(failed.Detail.Message)}
		}
		return d
	}
	shown.Request.URL = draftURL(f, old)
	d.Request, d.About = &shown.Request, shown.Type
	d.Body = exchange.BodyOf("draft-body", "Body", []byte(shown.Request.Body))
	return d
}

// draftURL is the address as the operator sees it: as it was typed, or masked as the form has it.
func draftURL(f *endpointForm, old *endpoint.Endpoint) string {
	if old != nil && f.URL == shownURL(old) {
		return shownURL(old)
	}
	return f.URL
}

// showDraft answers while the form is being filled in.
func (s *pages) showDraft(w http.ResponseWriter, r *http.Request) error {
	f, old, err := s.sentForm(r, r.PostForm.Get("id"))
	if err != nil {
		return err
	}
	events, err := s.recent.Newest(r.Context())
	if err != nil {
		return err
	}
	f.Draft = s.draftOf(r, &f, old, events)
	return s.RenderPart(w, r, "endpointform", "draft", frame.View{Data: &f.Draft})
}

// sentForm is the form as it was sent, with the endpoint that it is to change; nil for a new one.
func (s *pages) sentForm(r *http.Request, id string) (f endpointForm, old *endpoint.Endpoint, err error) {
	f = s.blankForm()
	if id != "" {
		e, tag, err := s.api.Endpoints.Get(r.Context(), id)
		if err != nil {
			return f, nil, err
		}
		f, old = s.formOf(&e, tag), &e
	}
	f.fill(r.PostForm)
	return f, old, nil
}

func (s *pages) newEndpoint(w http.ResponseWriter, r *http.Request) error {
	f := s.blankForm()
	f.picked = r.URL.Query()["event"]
	return s.showForm(w, r, &f, nil, http.StatusOK)
}

func (s *pages) showForm(w http.ResponseWriter, r *http.Request, f *endpointForm, old *endpoint.Endpoint, code int) error {
	if err := s.settle(r, f, old); err != nil {
		return err
	}
	return s.Render(w, r, "endpointform", frame.View{Title: f.Title, Nav: "/endpoints", Status: code, Data: f})
}

// refused shows the form again with what is wrong with it.
func (s *pages) refused(w http.ResponseWriter, r *http.Request, f *endpointForm, old *endpoint.Endpoint, err error) error {
	failed, ok := errors.AsType[*operation.Failure](err)
	if problems, is := errors.AsType[endpoint.Problems](err); is {
		failed, ok = s.api.Explain(problems), true
	}
	if !ok || len(failed.Detail.Fields) == 0 {
		return err
	}
	f.blame(failed.Detail.Fields)
	if f.Own {
		f.Wrong["secret"] = cmp.Or(f.Wrong["secret"], "type or paste it again; the form does not keep it")
	}
	if f.clientKey != "" {
		f.Wrong["client_key"] = cmp.Or(f.Wrong["client_key"], "paste it again; the form does not keep it")
	}
	return s.showForm(w, r, f, old, http.StatusUnprocessableEntity)
}

func (s *pages) createEndpoint(w http.ResponseWriter, r *http.Request) error {
	f, _, err := s.sentForm(r, "")
	if err != nil {
		return err
	}
	if r.PostForm.Get("do") == "preview" {
		return s.showForm(w, r, &f, nil, http.StatusOK)
	}
	spec := f.spec(nil)
	if len(f.Wrong) > 0 {
		return s.showForm(w, r, &f, nil, http.StatusUnprocessableEntity)
	}
	made, err := s.api.Endpoints.Create(r.Context(), spec, f.Key)
	if err != nil {
		return s.refused(w, r, &f, nil, err)
	}
	return s.SeeOther(w, r, format.Path("/endpoints", made.ID), "The endpoint is added, and gets matching events from now on. Reveal its secret below, configure it at the receiver, and send a test.")
}

func (s *pages) editEndpoint(w http.ResponseWriter, r *http.Request) error {
	e, tag, err := s.api.Endpoints.Get(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	f := s.formOf(&e, tag)
	return s.showForm(w, r, &f, &e, http.StatusOK)
}

func (s *pages) changeEndpoint(w http.ResponseWriter, r *http.Request) error {
	f, old, err := s.sentForm(r, r.PathValue("id"))
	if err != nil {
		return err
	}
	if r.PostForm.Get("do") == "preview" {
		return s.showForm(w, r, &f, old, http.StatusOK)
	}
	spec := f.spec(old)
	if len(f.Wrong) > 0 {
		return s.showForm(w, r, &f, old, http.StatusUnprocessableEntity)
	}
	if err := s.api.Endpoints.Change(r.Context(), old.ID, f.Tag, spec); err != nil {
		return s.refused(w, r, &f, old, err)
	}
	return s.SeeOther(w, r, format.Path("/endpoints", old.ID), "Saved. The change applies to every attempt from now on.")
}
