package sources

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"

	"jethook/consume/admin/events"
	"jethook/consume/admin/operation"
	"jethook/consume/admin/sources"
	"jethook/consume/archive"
	"jethook/consume/dashboard/format"
	"jethook/consume/dashboard/frame"
)

// sourcePage is one source.
type sourcePage struct {
	sourceRow
	Events    []archive.StoredEvent // that were accepted of late
	Filter    *frame.Filter
	Rejected  []rejectedRow
	Pager     frame.Pager
	Wrong     []operation.FailureField
	Why       []reasonCount // since the processes started
	CanVerify bool          // this process can verify again
}

// rejectedRow is a request that did not verify, with its reason in words.
type rejectedRow struct {
	sources.RejectedRequest
	Words string
}

// reasonCount is how often something was refused for a reason.
type reasonCount struct {
	Reason, Words string
	Count         uint64
}

// acceptedShown is how many accepted webhooks a source's page shows.
const acceptedShown = 10

func (s *pages) source(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	src, err := s.oneSource(r.Context(), name)
	if err != nil {
		return err
	}
	shown := sourcePage{
		sourceRow: s.sourceRow(src), Filter: s.rejectedFilter(r, name), Why: reasonsOf(src.Refused), CanVerify: s.api.Sources.Reverifies(),
	}
	accepted, err := s.api.Events.List(r.Context(), operation.PageParams{Limit: acceptedShown}, events.SpanParams{Subject: "webhooks." + name + ".>"})
	if err != nil {
		return err
	}
	shown.Events = accepted.Items
	v := frame.View{Title: name, Nav: "/sources", Live: r.URL.Query().Get("cursor") == "", Data: &shown}
	f := shown.Filter
	page, err := s.api.Sources.RejectedRequests(r.Context(), &sources.RejectedFilter{
		PageParams: operation.PageParams{Limit: frame.PageSize, Cursor: r.URL.Query().Get("cursor")},
		Source:     name, Reason: f.Get("reason"), Since: f.Get("since"), Until: f.Get("until"),
	})
	if wrong, ok := errors.AsType[*operation.Failure](err); ok && len(wrong.Detail.Fields) > 0 {
		shown.Wrong = f.Blame(wrong.Detail.Fields)
		v.Status, v.Live = wrong.GetStatus(), false
		return s.Render(w, r, "source", v)
	}
	if err != nil {
		return err
	}
	for _, one := range page.Items {
		shown.Rejected = append(shown.Rejected, rejectedRow{one, format.Reason(one.Reason)})
	}
	shown.Pager = frame.PagerOf(r, f, page.NextCursor, len(page.Items))
	return s.Render(w, r, "source", v)
}

// oneSource returns a configured source with what came of it.
func (s *pages) oneSource(ctx context.Context, name string) (*sources.Source, error) {
	all, err := s.api.Sources.List(ctx)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all, func(src sources.Source) bool { return src.Name == name })
	if i < 0 {
		return nil, frame.ErrNoPage
	}
	return &all[i], nil
}

func (s *pages) rejectedFilter(r *http.Request, name string) *frame.Filter {
	reasons := []frame.Option{{Label: "any"}}
	for _, reason := range slices.Sorted(maps.Keys(format.Reasons)) {
		reasons = append(reasons, frame.Option{Value: reason, Label: reason})
	}
	return frame.FilterOf(r, "/sources/"+name,
		frame.Field{Name: "reason", Label: "Reason", Kind: "select", Options: reasons, Wide: true},
		frame.Field{Name: "since", Label: "Since", Hint: "24h"},
		frame.Field{Name: "until", Label: "Until", Hint: "1h, or a time"},
	)
}

// reasonsOf are the reasons of refusals, the most frequent first.
func reasonsOf(refused map[string]uint64) (all []reasonCount) {
	for reason, n := range refused {
		if n > 0 {
			all = append(all, reasonCount{reason, format.Reason(reason), n})
		}
	}
	slices.SortFunc(all, func(a, b reasonCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Reason, b.Reason))
	})
	return all
}

// retryRejected verifies the selected requests of a source again, or all that the filter chooses.
func (s *pages) retryRejected(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	if _, err := s.oneSource(r.Context(), name); err != nil {
		return err
	}
	choice, err := frame.Chosen(r, "/sources/"+name, func(r *http.Request) *frame.Filter { return s.rejectedFilter(r, name) })
	if err != nil {
		return err
	}
	c := sources.RejectedChoice{IDs: r.PostForm["id"]}
	about := format.Plural(len(c.IDs), "request", "requests")
	if r.PostForm.Get("what") == "filter" {
		f := choice.Filter
		c = sources.RejectedChoice{Reason: f.Get("reason"), Since: f.Get("since"), Until: f.Get("until")}
		about = "everything that matches this filter"
		if len(f.Values()) == 0 {
			about = "all rejected requests of " + name
		}
	} else if len(c.IDs) == 0 {
		return s.SeeOther(w, r, choice.Back, "Nothing is selected.")
	}
	yes, err := s.Confirm(w, r, &frame.Question{
		Title: "Verify again: " + about + "?", Nav: "/sources", Back: choice.Back, Button: "Verify again",
		Text: []string{"They are verified with the current secrets, as of the time each one arrived. Those that pass are stored as if they had arrived now, and delivered."},
	})
	if !yes {
		return err
	}
	work := func(ctx context.Context, j *frame.Job) error {
		j.Skips("still refused")
		for {
			done, err := s.api.Sources.RetryRejected(ctx, name, c)
			if err != nil {
				return err
			}
			refused := 0
			for _, n := range done.Refused {
				refused += n
			}
			j.Add(done.Verified, refused)
			if c.Cursor = done.NextCursor; c.Cursor == "" {
				return nil
			}
		}
	}
	if !s.Start(r, "Verifying again: "+about, 0, false, work) {
		return s.SeeOther(w, r, choice.Back, "Too many jobs are running; try again when one is finished.")
	}
	return s.SeeOther(w, r, choice.Back, "")
}

// pairingPage shows where a sender may hand its secret over: once, since the address is a secret until then.
type pairingPage struct {
	Name string
	*sources.Paired
	Whole bool // the address is whole, and not only a path
}

func (s *pages) pairSource(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	paired, err := s.api.Sources.Pair(r.Context(), name, "")
	if err != nil {
		return err
	}
	if strings.HasPrefix(paired.Address, "/") && s.publicURL != "" {
		paired.Address = strings.TrimSuffix(s.publicURL, "/") + paired.Address
	}
	return s.Render(w, r, "pairing", frame.View{Title: "Pair " + name, Nav: "/sources", Data: pairingPage{
		Name: name, Paired: paired, Whole: !strings.HasPrefix(paired.Address, "/"),
	}})
}
