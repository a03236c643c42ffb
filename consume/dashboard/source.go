package dashboard

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"

	"jethook/consume/admin"
	"jethook/consume/archive"
)

// sourcePage is one source.
type sourcePage struct {
	sourceRow
	Events    []archive.StoredEvent // that were accepted of late
	Filter    *filter
	Rejected  []rejectedRow
	Pager     pager
	Wrong     []admin.FailureField
	Why       []reasonCount // since the processes started
	CanVerify bool          // this process can verify again
}

// rejectedRow is a request that did not verify, with its reason in words.
type rejectedRow struct {
	admin.RejectedRequest
	Words string
}

// reasonCount is how often something was refused for a reason.
type reasonCount struct {
	Reason, Words string
	Count         uint64
}

// acceptedShown is how many accepted webhooks a source's page shows.
const acceptedShown = 10

func (s *Server) source(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	src, err := s.oneSource(r.Context(), name)
	if err != nil {
		return err
	}
	shown := sourcePage{
		sourceRow: s.sourceRow(src), Filter: s.rejectedFilter(r, name), Why: reasonsOf(src.Refused), CanVerify: s.api.Reverifies(),
	}
	accepted, err := s.api.Events(r.Context(), admin.PageParams{Limit: acceptedShown}, admin.SpanParams{Subject: "webhooks." + name + ".>"})
	if err != nil {
		return err
	}
	shown.Events = accepted.Items
	v := view{Title: name, Nav: "/sources", Live: r.URL.Query().Get("cursor") == "", Data: &shown}
	f := shown.Filter
	page, err := s.api.RejectedRequests(r.Context(), &admin.RejectedFilter{
		PageParams: admin.PageParams{Limit: pageSize, Cursor: r.URL.Query().Get("cursor")},
		Source:     name, Reason: f.get("reason"), Since: f.get("since"), Until: f.get("until"),
	})
	if wrong, ok := errors.AsType[*admin.Failure](err); ok && len(wrong.Detail.Fields) > 0 {
		shown.Wrong = f.blame(wrong.Detail.Fields)
		v.Status, v.Live = wrong.GetStatus(), false
		return s.render(w, r, "source", v)
	}
	if err != nil {
		return err
	}
	for _, one := range page.Items {
		shown.Rejected = append(shown.Rejected, rejectedRow{one, reasonWords(one.Reason)})
	}
	shown.Pager = pagerOf(r, f, page.NextCursor, len(page.Items))
	return s.render(w, r, "source", v)
}

// oneSource returns a configured source with what came of it.
func (s *Server) oneSource(ctx context.Context, name string) (*admin.Source, error) {
	all, err := s.api.Sources(ctx)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all, func(src admin.Source) bool { return src.Name == name })
	if i < 0 {
		return nil, errNoPage
	}
	return &all[i], nil
}

func (s *Server) rejectedFilter(r *http.Request, name string) *filter {
	reasons := []option{{"", "any"}}
	for _, reason := range slices.Sorted(maps.Keys(reasonTexts)) {
		reasons = append(reasons, option{reason, reason})
	}
	return filterOf(r, "/sources/"+name,
		field{Name: "reason", Label: "Reason", Kind: "select", Options: reasons, Wide: true},
		field{Name: "since", Label: "Since", Hint: "24h"},
		field{Name: "until", Label: "Until", Hint: "1h, or a time"},
	)
}

// reasonsOf are the reasons of refusals, the most frequent first.
func reasonsOf(refused map[string]uint64) (all []reasonCount) {
	for reason, n := range refused {
		if n > 0 {
			all = append(all, reasonCount{reason, reasonWords(reason), n})
		}
	}
	slices.SortFunc(all, func(a, b reasonCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Reason, b.Reason))
	})
	return all
}

// retryRejected verifies the selected requests of a source again, or all that the filter chooses.
func (s *Server) retryRejected(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	if _, err := s.oneSource(r.Context(), name); err != nil {
		return err
	}
	choice, err := bulkChoice(r, "/sources/"+name, func(r *http.Request) *filter { return s.rejectedFilter(r, name) })
	if err != nil {
		return err
	}
	c := admin.RejectedChoice{IDs: r.PostForm["id"]}
	about := plural(len(c.IDs), "request", "requests")
	if r.PostForm.Get("what") == "filter" {
		f := choice.filter
		c = admin.RejectedChoice{Reason: f.get("reason"), Since: f.get("since"), Until: f.get("until")}
		about = "all that this filter chooses"
		if len(f.values()) == 0 {
			about = "all rejected requests of " + name
		}
	} else if len(c.IDs) == 0 {
		return s.seeOther(w, r, choice.back, "Nothing is selected.")
	}
	yes, err := s.confirm(w, r, &question{
		Title: "Verify again: " + about + "?", Nav: "/sources", Back: choice.back, Button: "Verify again",
		Text: []string{"They are verified with the secrets of now and the clock of when each came. What verifies is stored as if it came now, and delivered."},
	})
	if !yes {
		return err
	}
	work := func(ctx context.Context, j *job) error {
		j.skips("still refused")
		for {
			done, err := s.api.RetryRejected(ctx, name, c)
			if err != nil {
				return err
			}
			refused := 0
			for _, n := range done.Refused {
				refused += n
			}
			j.add(done.Verified, refused)
			if c.Cursor = done.NextCursor; c.Cursor == "" {
				return nil
			}
		}
	}
	if !s.start(r, "Verifying again: "+about, 0, false, work) {
		return s.seeOther(w, r, choice.back, "Too much is under way; try again when it is done.")
	}
	return s.seeOther(w, r, choice.back, "")
}

// pairingPage shows where a sender may hand its secret over: once, since the address is a secret until then.
type pairingPage struct {
	Name string
	*admin.Paired
	Whole bool // the address is whole, and not only a path
}

func (s *Server) pairSource(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	paired, err := s.api.PairSource(r.Context(), name, "")
	if err != nil {
		return err
	}
	if strings.HasPrefix(paired.Address, "/") && s.cfg.PublicURL != "" {
		paired.Address = strings.TrimSuffix(s.cfg.PublicURL, "/") + paired.Address
	}
	return s.render(w, r, "pairing", view{Title: "Pair " + name, Nav: "/sources", Data: pairingPage{
		Name: name, Paired: paired, Whole: !strings.HasPrefix(paired.Address, "/"),
	}})
}
