package sources

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"jethook/consume/admin/message"
	"jethook/consume/admin/sources"
	"jethook/consume/dashboard/exchange"
	"jethook/consume/dashboard/format"
	"jethook/consume/dashboard/frame"
	"jethook/publish/quarantine"
)

// Explainer says why a rejected request does not verify; nil when there is nothing to say.
type Explainer func(context.Context, *quarantine.Request) (*Explanation, error)

// Explanation is what verification makes of a request with the secrets of now. None of its texts holds a secret.
type Explanation struct {
	Verified   bool
	Reason     string // in one word
	Text       string // in words, and what to do
	Hints      []string
	VerifiedBy string // how the sender signs
	SignedWith string // by which of several ways this request is
	Signed     string // what was signed, as it came here
	SignedSize int
	Docs       string // the sender's page
}

// rejectedPage is one request that did not verify.
type rejectedPage struct {
	sources.RejectedRequest
	Source    string
	Words     string
	Headers   []message.Header
	Body      exchange.Body
	Told      *Explanation
	CanVerify bool
}

func (s *pages) rejectedRequest(w http.ResponseWriter, r *http.Request) error {
	name, id := r.PathValue("name"), r.PathValue("id")
	one, err := s.api.Sources.RejectedRequest(r.Context(), name, id)
	if err != nil {
		return err
	}
	shown := rejectedPage{
		RejectedRequest: one.RejectedRequest, Source: name, Words: format.Reason(one.Reason), CanVerify: s.api.Sources.Reverifies() && one.BodyKept,
	}
	for _, header := range slices.Sorted(maps.Keys(one.Headers)) {
		for _, value := range one.Headers[header] {
			shown.Headers = append(shown.Headers, message.Header{Name: header, Value: value})
		}
	}
	// The page needs the body's bytes, and the explanation the request as it came, with what is masked above.
	seq, _ := strconv.ParseUint(one.ID, 10, 64)
	raw, err := s.rejected.Get(r.Context(), name, seq)
	if err != nil {
		return err
	}
	shown.Body = exchange.BodyOf("request", cmp.Or(raw.Header.Get("Content-Type"), "Body"), raw.Body)
	switch {
	case raw.NoBody && len(raw.Body) == 0 && raw.Size > 0:
		shown.Body.Empty = fmt.Sprintf("Its %s were not kept, so it can’t be verified again.", format.Bytes(raw.Size))
	case raw.NoBody:
		shown.Body.About = fmt.Sprintf("The first %s of %s; no more was kept", format.Bytes(len(raw.Body)), format.Bytes(raw.Size))
	}
	if s.explain != nil {
		if shown.Told, err = s.explain(r.Context(), &raw); err != nil {
			return err
		}
		if shown.Told != nil {
			shown.Told.Text = format.Sentence(shown.Told.Text)
		}
	}
	return s.Render(w, r, "rejected", frame.View{Title: "Refused request of " + name, Nav: "/sources", Data: &shown})
}

// retryOneRejected verifies one request again.
func (s *pages) retryOneRejected(w http.ResponseWriter, r *http.Request) error {
	name, id := r.PathValue("name"), r.PathValue("id")
	done, err := s.api.Sources.RetryRejected(r.Context(), name, sources.RejectedChoice{IDs: []string{id}})
	if err != nil {
		return err
	}
	if done.Verified > 0 {
		return s.SeeOther(w, r, format.Path("/sources", name), "It verifies now, so it is stored, and on its way to its endpoints.")
	}
	back := format.Path("/sources", name, "rejected", id)
	for reason := range done.Refused {
		return s.SeeOther(w, r, back, "Still refused: "+format.Reason(reason)+".")
	}
	return s.SeeOther(w, r, format.Path("/sources", name), "It no longer exists.")
}

// removeRejected removes one request after it has asked.
func (s *pages) removeRejected(w http.ResponseWriter, r *http.Request) error {
	name, id := r.PathValue("name"), r.PathValue("id")
	yes, err := s.Confirm(w, r, &frame.Question{
		Title: "Remove this request permanently?", Nav: "/sources", Back: format.Path("/sources", name, "rejected", id), Button: "Remove it", Danger: true,
		Text: []string{"It can no longer be verified again. If it was a genuine webhook, it is lost."},
	})
	if !yes {
		return err
	}
	if err := s.api.Sources.DropRejected(r.Context(), name, id); err != nil {
		return err
	}
	return s.SeeOther(w, r, format.Path("/sources", name), "Removed.")
}
