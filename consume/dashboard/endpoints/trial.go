package endpoints

import (
	"cmp"
	"encoding/json"
	"net/http"
	"strings"

	"jethook/consume/admin/operation"
	"jethook/consume/admin/trials"
	"jethook/consume/dashboard/exchange"
	"jethook/consume/dashboard/format"
	"jethook/consume/dashboard/frame"
	"jethook/consume/dashboard/recent"
	"jethook/consume/endpoint"
)

// testPage shows a test of an endpoint: before it the exact request, after it request and answer.
type testPage struct {
	Endpoint *endpoint.Endpoint
	Type     string
	Types    []frame.Option
	Body     string
	Wrong    map[string]string
	Trial    *trials.Trial
	Exchange exchange.Exchange
}

func (s *pages) endpointTest(w http.ResponseWriter, r *http.Request) error {
	return s.showTest(w, r, nil)
}

// showTest shows the form, with what is wrong with it, and the request that it would send.
func (s *pages) showTest(w http.ResponseWriter, r *http.Request, wrong []operation.FailureField) error {
	e, _, err := s.api.Endpoints.Get(r.Context(), r.PathValue("id"))
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
	preview, err := s.api.Trials.Preview(r.Context(), e.ID, &endpoint.Spec{}, "")
	if err != nil {
		shown.Exchange.None = format.Sentence(s.api.Explain(err).Detail.Message)
	} else {
		preview.Request.URL = shownURL(&e)
		shown.Exchange.Asked(&preview.Request, []byte(preview.Request.Body), "Body")
		shown.Exchange.Curl = ""
	}
	return s.Render(w, r, "test", frame.View{Title: "Test " + e.Name, Nav: "/endpoints", Status: code, Data: shown})
}

func (s *pages) testPage(r *http.Request, e *endpoint.Endpoint) (*testPage, error) {
	events, err := s.recent.Newest(r.Context())
	if err != nil {
		return nil, err
	}
	return &testPage{Endpoint: e, Types: recent.Types(events), Type: r.PostForm.Get("type"), Body: r.PostForm.Get("data"), Wrong: map[string]string{}}, nil
}

// testEndpoint sends a test, and shows it with its answer.
func (s *pages) testEndpoint(w http.ResponseWriter, r *http.Request) error {
	e, _, err := s.api.Endpoints.Get(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	shown, err := s.testPage(r, &e)
	if err != nil {
		return err
	}
	want := trials.TrialRequest{Type: strings.TrimSpace(shown.Type)}
	if data := strings.TrimSpace(shown.Body); data != "" {
		want.Data = json.RawMessage(data)
		if fault := exchange.JSONFault(data); fault != nil {
			return s.showTest(w, r, []operation.FailureField{{Field: "data", Message: fault.Text}})
		}
	}
	trial, err := s.api.Trials.Test(r.Context(), e.ID, want)
	if err != nil {
		if f := s.api.Explain(err); len(f.Detail.Fields) > 0 {
			return s.showTest(w, r, f.Detail.Fields)
		}
		return err
	}
	shown.Trial = trial
	if trial.Request != nil {
		trial.Request.URL = shownURL(&e)
		shown.Exchange.Asked(trial.Request, []byte(trial.Request.Body), "Body")
	}
	if answer := trial.Response; answer != nil {
		shown.Exchange.Answered(answer.Status, answer.Headers, []byte(answer.Body), answer.Truncated)
	} else {
		shown.Exchange.None = format.Sentence(cmp.Or(trial.Detail, string(trial.Class)))
	}
	return s.Render(w, r, "test", frame.View{Title: "Test " + e.Name, Nav: "/endpoints", Data: shown})
}
