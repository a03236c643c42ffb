package endpoints

import (
	"net/http"
	"strings"

	"jethook/consume/admin/operation"
	"jethook/consume/admin/recoveries"
	"jethook/consume/dashboard/format"
	"jethook/consume/dashboard/frame"
	"jethook/consume/endpoint"
	"jethook/consume/recovery"
)

// recoveryPage is the form of a recovery, what it would redeliver, and how far those before it are.
type recoveryPage struct {
	Endpoint *endpoint.Endpoint
	Since    string
	Until    string
	Missing  bool
	Wrong    map[string]string
	Counted  *recovery.Recovery // nil: nothing was counted
	Total    int                // of it
	All      []recovery.Recovery
}

func (s *pages) endpointRecovery(w http.ResponseWriter, r *http.Request) error {
	return s.showRecovery(w, r, nil, nil)
}

func (s *pages) showRecovery(w http.ResponseWriter, r *http.Request, counted *recovery.Recovery, wrong []operation.FailureField) error {
	e, _, err := s.api.Endpoints.Get(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	shown := recoveryPage{Endpoint: &e, Since: "24h", Counted: counted, Wrong: map[string]string{}}
	if r.Method == http.MethodPost {
		shown.Since, shown.Until, shown.Missing = r.PostForm.Get("since"), r.PostForm.Get("until"), r.PostForm.Get("missing") == "yes"
	}
	if counted != nil {
		shown.Total = counted.Counts.Dead + counted.Counts.Waiting + counted.Counts.Missed
	}
	code := http.StatusOK
	for _, w := range wrong {
		shown.Wrong[w.Field], code = w.Message, http.StatusUnprocessableEntity
	}
	if shown.All, err = s.recoveriesOf(r, e.ID); err != nil {
		return err
	}
	return s.Render(w, r, "recovery", frame.View{
		Title: "Recover " + e.Name, Nav: "/endpoints", Status: code, Live: r.Method == http.MethodGet && len(shown.All) > 0, Data: &shown,
	})
}

// recoverEndpoint counts what a recovery would redeliver, or starts it.
func (s *pages) recoverEndpoint(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	want := recoveries.RecoverRequest{
		Since: strings.TrimSpace(r.PostForm.Get("since")), Until: strings.TrimSpace(r.PostForm.Get("until")),
		Missing: r.PostForm.Get("missing") == "yes", DryRun: r.PostForm.Get("do") != "start",
	}
	rec, err := s.api.Recoveries.Start(r.Context(), id, want)
	if err != nil {
		f := s.api.Explain(err)
		if len(f.Detail.Fields) > 0 {
			return s.showRecovery(w, r, nil, f.Detail.Fields)
		}
		if f.GetStatus() >= http.StatusInternalServerError || f.GetStatus() == http.StatusNotFound {
			return err
		}
		return s.SeeOther(w, r, format.Path("/endpoints", id, "recover"), format.Sentence(f.Detail.Message))
	}
	if want.DryRun {
		return s.showRecovery(w, r, rec, nil)
	}
	return s.SeeOther(w, r, format.Path("/endpoints", id, "recover"), "It is being recovered.")
}

func (s *pages) cancelRecovery(w http.ResponseWriter, r *http.Request) error {
	if err := s.api.Recoveries.Cancel(r.Context(), r.PostForm.Get("recovery")); err != nil {
		return err
	}
	return s.SeeOther(w, r, format.Path("/endpoints", r.PathValue("id"), "recover"), "It is canceled. Deliveries that it already scheduled continue.")
}
