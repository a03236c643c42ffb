package deliveries

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	admindeliveries "jethook/consume/admin/deliveries"
	"jethook/consume/admin/operation"
	"jethook/consume/dashboard/format"
	"jethook/consume/dashboard/frame"
	"jethook/consume/dashboard/names"
	"jethook/consume/dashboard/session"
	"jethook/consume/deliveries"
	"jethook/consume/paging"
)

// deadPage is the list of dead letters, and why they died.
type deadPage struct {
	Filter *frame.Filter
	Groups []deadGroup
	Looked int  // dead letters that the groups are made of
	More   bool // there are more
	Rows   []names.Row
	Pager  frame.Pager
	Wrong  []operation.FailureField
}

// deadGroup is the dead letters of one endpoint that have one reason.
type deadGroup struct {
	Endpoint, Name, Reason string
	Count                  int
	Last                   deliveries.Delivery
	Query                  string // chooses them
}

// groupsShown bounds the groups of a page.
const groupsShown = 12

func (s *pages) deadFilter(r *http.Request) *frame.Filter {
	return frame.FilterOf(r, "/dead",
		frame.Field{Name: "endpoint", Label: "Endpoint", Hint: "ep_…", Options: s.names.Options(), Wide: true},
		frame.Field{Name: "reason", Label: "Reason holds", Hint: "answered 503", Wide: true},
		frame.Field{Name: "since", Label: "Dead since", Hint: "24h"},
		frame.Field{Name: "until", Label: "Until", Hint: "1h, or a time"},
	)
}

func deadQuery(f *frame.Filter) *admindeliveries.DeadFilter {
	return &admindeliveries.DeadFilter{
		FilterParams: admindeliveries.FilterParams{Endpoint: f.Get("endpoint"), Since: f.Get("since"), Until: f.Get("until")}, Reason: f.Get("reason"),
	}
}

func (s *pages) dead(w http.ResponseWriter, r *http.Request) error {
	shown := deadPage{Filter: s.deadFilter(r)}
	v := frame.View{Title: "Dead letters", Nav: "/dead", Live: r.URL.Query().Get("cursor") == "", Data: &shown}
	q := deadQuery(shown.Filter)
	q.Limit, q.Cursor = frame.PageSize, r.URL.Query().Get("cursor")
	page, err := s.api.Deliveries.Dead(r.Context(), q)
	if wrong, ok := errors.AsType[*operation.Failure](err); ok && len(wrong.Detail.Fields) > 0 {
		shown.Wrong = shown.Filter.Blame(wrong.Detail.Fields)
		v.Status, v.Live = wrong.GetStatus(), false
		return s.Render(w, r, "dead", v)
	}
	if err != nil {
		return err
	}
	shown.Rows, shown.Pager = s.names.Rows(page.Items), frame.PagerOf(r, shown.Filter, page.NextCursor, len(page.Items))
	if q.Cursor == "" {
		if err := s.groupDead(r, &shown); err != nil {
			return err
		}
	}
	return s.Render(w, r, "dead", v)
}

// lastGroups are the groups that were counted last: a live page would read a thousand dead letters every few seconds.
type lastGroups struct {
	mu     sync.Mutex // guards what follows, and lets one request count for all
	of     string     // the filter
	at     time.Time
	groups []deadGroup
	looked int
	more   bool
}

// groupsFresh is for how long they are not counted anew, unless the dashboard changed something.
const groupsFresh = 15 * time.Second

// forget has them counted anew.
func (g *lastGroups) forget() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.at = time.Time{}
}

// groupDead shows the newest dead letters by endpoint and reason.
func (s *pages) groupDead(r *http.Request, p *deadPage) error {
	last := &s.grouped
	last.mu.Lock()
	defer last.mu.Unlock()
	if of := p.Filter.Query(); of != last.of || s.Now().Sub(last.at) > groupsFresh {
		if err := s.countGroups(r, p); err != nil {
			return err
		}
		last.of, last.at, last.groups, last.looked, last.more = of, s.Now(), p.Groups, p.Looked, p.More
	}
	p.Groups, p.Looked, p.More = last.groups, last.looked, last.more
	return nil
}

// countGroups counts the newest dead letters by endpoint and reason.
func (s *pages) countGroups(r *http.Request, p *deadPage) error {
	groups := map[[2]string]*deadGroup{}
	more, err := s.eachDead(r.Context(), *deadQuery(p.Filter), frame.CountLimit, func(d *deliveries.Delivery) {
		p.Looked++
		key := [2]string{d.Endpoint, d.Reason}
		g, ok := groups[key]
		if !ok {
			g = &deadGroup{Endpoint: d.Endpoint, Name: s.names.Of(d.Endpoint), Reason: d.Reason, Last: *d}
			g.Query = p.Filter.Query("endpoint", d.Endpoint, "reason", d.Reason)
			groups[key] = g
		}
		g.Count++
	})
	if err != nil {
		return err
	}
	p.More = more
	for _, g := range groups {
		p.Groups = append(p.Groups, *g)
	}
	slices.SortFunc(p.Groups, func(a, b deadGroup) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Reason, b.Reason))
	})
	p.Groups = p.Groups[:min(len(p.Groups), groupsShown)]
	return nil
}

// eachDead goes over the newest dead letters that q chooses, at most so many, and reports whether there are more.
func (s *pages) eachDead(ctx context.Context, q admindeliveries.DeadFilter, most int, do func(*deliveries.Delivery)) (more bool, err error) {
	for q.Limit, q.Cursor = paging.Max, ""; ; {
		page, err := s.api.Deliveries.Dead(ctx, &q)
		if err != nil {
			return false, err
		}
		for i := range page.Items {
			if most--; most < 0 {
				return true, nil
			}
			do(&page.Items[i])
		}
		if q.Cursor = page.NextCursor; q.Cursor == "" {
			return false, nil
		}
	}
}

// deadAction is what a form asks to do with dead letters.
type deadAction struct {
	verb, doing string
	danger      bool
	text        string
	do          func(context.Context, admindeliveries.DeadChoice) (n int, next string, err error)
}

// deadAction is the one that a form names by its word.
func (s *pages) deadAction(word string) (a deadAction, ok bool) {
	switch word {
	case "replay":
		return deadAction{
			verb: "Replay", doing: "Replaying", text: "Each starts a new retry schedule, with its first attempt now.",
			do: func(ctx context.Context, c admindeliveries.DeadChoice) (int, string, error) {
				out, err := s.api.Deliveries.Replay(ctx, c)
				if err != nil {
					return 0, "", err
				}
				return out.Replayed, out.NextCursor, nil
			},
		}, true
	case "remove":
		return deadAction{
			verb: "Remove", doing: "Removing", danger: true, text: "You can’t undo this. Their events stay in the streams until retention removes them.",
			do: func(ctx context.Context, c admindeliveries.DeadChoice) (int, string, error) {
				out, err := s.api.Deliveries.RemoveDead(ctx, c)
				if err != nil {
					return 0, "", err
				}
				return out.Removed, out.NextCursor, nil
			},
		}, true
	default:
		return a, false
	}
}

// changeDead replays or removes what was selected, or all that the filter chooses, after it has asked.
func (s *pages) changeDead(w http.ResponseWriter, r *http.Request) error {
	choice, err := frame.Chosen(r, "/dead", s.deadFilter)
	if err != nil {
		return err
	}
	word, what, _ := strings.Cut(r.PostForm.Get("what"), " ")
	action, ok := s.deadAction(word)
	if !ok {
		return session.ErrForm
	}
	var chosen admindeliveries.DeadChoice
	total, more, words := 0, false, ""
	if what == "filter" {
		q := deadQuery(choice.Filter)
		chosen = admindeliveries.DeadChoice{Endpoint: q.Endpoint, Since: q.Since, Until: q.Until, Reason: q.Reason}
		if more, err = s.eachDead(r.Context(), *q, frame.CountLimit, func(*deliveries.Delivery) { total++ }); err != nil {
			return err
		}
		words = choice.Words()
		if !choice.Filter.Given {
			words = "No filter is set: this includes every dead letter."
		}
	} else {
		chosen.IDs = r.PostForm["id"]
		total = len(chosen.IDs)
	}
	if total == 0 {
		return s.SeeOther(w, r, choice.Back, "Nothing is selected.")
	}
	about := format.AtLeast(total, more, "dead letter", "dead letters")
	q := &frame.Question{Title: action.verb + " " + about + "?", Nav: "/dead", Back: choice.Back, Button: action.verb + " " + about, Danger: action.danger, Text: []string{action.text}}
	if words != "" {
		q.Text = append(q.Text, words)
	}
	if yes, err := s.Confirm(w, r, q); !yes {
		return err
	}
	if !s.Start(r, action.doing+" "+about, total, more, func(ctx context.Context, j *frame.Job) error {
		defer s.grouped.forget()
		return doDead(ctx, j, action, chosen)
	}) {
		return s.SeeOther(w, r, choice.Back, "Too many jobs are running; try again when one is finished.")
	}
	return s.SeeOther(w, r, choice.Back, "")
}

// doDead goes on until all that is chosen is done.
func doDead(ctx context.Context, j *frame.Job, action deadAction, c admindeliveries.DeadChoice) error {
	for {
		n, next, err := action.do(ctx, c)
		if err != nil {
			return err
		}
		j.Add(n, 0)
		if len(c.IDs) > 0 {
			j.Add(0, len(c.IDs)-n)
		}
		if c.Cursor = next; next == "" {
			return nil
		}
	}
}
