// Package overview is the page that an operator sees first: what is wrong, what happened, and how full the store is.
package overview

import (
	"cmp"
	"context"
	"embed"
	"fmt"
	"net/http"
	"time"

	"jethook/consume/dashboard/chart"
	"jethook/consume/dashboard/format"
	"jethook/consume/dashboard/frame"
	"jethook/consume/dashboard/trouble"
	"jethook/consume/status"
)

//go:embed *.html
var templates embed.FS

// pages show the overview.
type pages struct {
	*frame.Frame
	api     API
	trends  *status.Trends
	trouble *trouble.Finder
}

// API is what the overview asks for.
type API interface {
	Status(ctx context.Context) (*status.Status, error)
}

// Add adds the overview to a frame. What it returns counts what is over, so that no page waits for that, until its context ends.
func Add(f *frame.Frame, api API, trends *status.Trends, finder *trouble.Finder) (warm func(context.Context)) {
	s := &pages{f, api, trends, finder}
	f.Templates(templates)
	f.Page("GET /{$}", s.overview)
	return s.warm
}

// overviewPage is what an operator sees first.
type overviewPage struct {
	Status *status.Status
	Notes  []trouble.Note
	More   int // notes that are left out
	Now    presentFigures
	Spans  []span
	Rows   []status.Endpoint // endpoints that something is to be said of, the most troubled first
	Hidden int               // others
}

// presentFigures are those of all endpoints together.
type presentFigures struct {
	Waiting, Dead, DeadDay uint64
	Approximate            bool
}

// span is what happened in a time up to now.
type span struct {
	Name, From                           string
	Received, Delivered, Failed, Refused uint64
	Minutes                              float64
	Bars                                 []chart.Bar
	About                                string
	P50, P99                             *float64 // of the hour
}

// PerMinute is a count's share of a minute.
func (v *span) PerMinute(n uint64) string {
	switch rate := float64(n) / v.Minutes; {
	case n == 0:
		return "0"
	case rate < 0.1:
		return "< 0.1"
	case rate < 10:
		return fmt.Sprintf("%.1f", rate)
	default:
		return format.Count(int64(rate))
	}
}

const (
	// troubledShown and notesShown bound what the overview lists.
	troubledShown = 12
	notesShown    = 10

	hourStep, hourSteps = 5 * time.Minute, 12
	dayStep, daySteps   = time.Hour, 24
)

func (s *pages) overview(w http.ResponseWriter, r *http.Request) error {
	st, err := s.api.Status(r.Context())
	if err != nil {
		return err
	}
	recent, err := s.trends.Recent(r.Context(), st)
	if err != nil {
		return err
	}
	shown := overviewPage{Status: st, Notes: s.trouble.Of(st, recent)}
	shown.More = max(0, len(shown.Notes)-notesShown)
	shown.Notes = shown.Notes[:len(shown.Notes)-shown.More]
	if shown.Spans, err = s.spans(r.Context(), st); err != nil {
		return err
	}
	for i := range st.Endpoints {
		e := &st.Endpoints[i]
		shown.Now.Waiting += e.Waiting + e.Behind
		shown.Now.Dead += e.Dead
		shown.Now.DeadDay += recent.Dead[e.ID]
		shown.Now.Approximate = shown.Now.Approximate || e.Approximate && e.Waiting == 0
		if !e.Idle() && len(shown.Rows) < troubledShown {
			shown.Rows = append(shown.Rows, *e)
		}
	}
	shown.Hidden = len(st.Endpoints) - len(shown.Rows)
	return s.Render(w, r, "overview", frame.View{Title: "Overview", Nav: "/", Live: true, Data: &shown})
}

// spans are the last hour and the last day.
func (s *pages) spans(ctx context.Context, st *status.Status) ([]span, error) {
	all := []span{{Name: "Last hour", From: "1 h ago", P50: st.P50, P99: st.P99}, {Name: "Last day", From: "1 d ago"}}
	for i, of := range []struct {
		step time.Duration
		n    int
	}{{hourStep, hourSteps}, {dayStep, daySteps}} {
		steps, err := s.trends.Last(ctx, of.step, of.n)
		if err != nil {
			return nil, err
		}
		v := &all[i]
		v.Bars = chart.Steps(steps)
		v.Minutes = s.Now().Sub(steps[0].Start).Minutes()
		for _, step := range steps {
			v.Received += step.Received
			v.Delivered += step.Delivered
			v.Failed += step.Failed
			v.Refused += step.Refused
		}
		v.About = fmt.Sprintf("%s: %s delivered, %s failed", v.Name, format.Count(v.Delivered), format.Count(v.Failed))
	}
	return all, nil
}

// warm counts the steps that are over once, so that no page waits for that, until ctx ends.
func (s *pages) warm(ctx context.Context) {
	const every = time.Minute
	for {
		_, err := s.trends.Last(ctx, hourStep, hourSteps)
		_, err2 := s.trends.Last(ctx, dayStep, daySteps)
		if err = cmp.Or(err, err2); err != nil && ctx.Err() == nil {
			s.Log.Debug("counting the last day failed", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(every):
		}
	}
}
