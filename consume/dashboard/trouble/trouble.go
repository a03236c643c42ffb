// Package trouble says in sentences what is wrong, each with the way to where it is mended.
package trouble

import (
	"cmp"
	"fmt"
	"html/template"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"jethook/consume/dashboard/format"
	"jethook/consume/status"
)

// Note is one thing that is wrong, in a sentence, with the way to where it is mended.
type Note struct {
	Level string // "bad": nothing gets through, or something is lost; "warn": it will be
	Text  string
	Since *time.Time
	Link  template.URL // where it is mended
	To    string       // what the link says
}

const (
	// nearlyFull is from which share of its limit a store or stream is told of.
	nearlyFull = 80
	// pastDue is how late a delivery may be before that is told: a process that stops and one that takes over are faster.
	pastDue = 30 * time.Second
)

// Links are the addresses of pages.
type Links interface {
	Path(fixed string, parts ...string) template.URL
	// ListPath is the address of a list with a filter, by names and values.
	ListPath(list string, filter ...string) template.URL
}

// Finder finds what is wrong.
type Finder struct {
	links         Links
	disabledSince func(endpoint string) *time.Time
}

// New returns a finder whose notes link to these pages. disabledSince tells when an endpoint was disabled; nil: that is not known.
func New(links Links, disabledSince func(endpoint string) *time.Time) *Finder {
	return &Finder{links, disabledSince}
}

// Of says what is wrong, the worst first.
func (f *Finder) Of(st *status.Status, recent *status.Recent) (notes []Note) {
	if m := st.Moving; m != nil {
		notes = append(notes, Note{
			Level: "warn", Since: &m.Began,
			Text: fmt.Sprintf("The store is being moved to %s (%s): webhooks are still received; deliveries and changes wait for the cluster.", m.To, m.Phase),
		})
	}
	for i := range st.Endpoints {
		e := &st.Endpoints[i]
		notes = append(notes, f.OfEndpoint(e, recent.Dead[e.ID], st.At)...)
	}
	notes = append(notes, f.storeNotes(st)...)
	for i := range st.Processes {
		notes = append(notes, stalledNotes(&st.Processes[i], st.At)...)
	}
	for _, m := range st.Missing {
		notes = append(notes, Note{
			Level: "warn", Since: &m.Heard, Text: fmt.Sprintf("The %s process on %s (pid %d) is gone: it does not answer.", m.Role, m.Host, m.PID),
		})
	}
	for _, u := range st.Unreadable {
		what := "A record of " + u.Bucket
		if u.Key != "" {
			what += ", " + u.Key + ","
		}
		notes = append(notes, Note{Level: "bad", Text: what + " can't be read: " + u.Why + ". " + strings.Join(u.Processes, ", ") + " ignores it."})
	}
	for i := range st.Sources {
		notes = append(notes, f.clockNotes(&st.Sources[i])...)
	}
	for i := range recent.Refused {
		notes = append(notes, f.refusalNotes(&recent.Refused[i])...)
	}
	slices.SortStableFunc(notes, func(a, b Note) int { return strings.Compare(a.Level, b.Level) })
	return notes
}

// OfEndpoint says what is wrong with an endpoint, of which so many deliveries died in the last day.
func (f *Finder) OfEndpoint(e *status.Endpoint, died uint64, now time.Time) (notes []Note) {
	name, link := format.Short(60, e.Name), f.links.Path("/endpoints", e.ID)
	add := func(n Note) { notes = append(notes, n) }
	stuck := ""
	if n := e.Waiting + e.Behind; n > 0 {
		stuck = fmt.Sprintf(" %s.", format.Plural(n, "delivery waits", "deliveries wait"))
	}
	switch e.State {
	case status.Open:
		add(Note{Level: "bad", Since: e.FailingSince, Text: fmt.Sprintf("%s accepts nothing%s, so it is only probed.%s", name, lastFailure(e), stuck), Link: link, To: "See the endpoint"})
	case status.Failing:
		add(Note{Level: "warn", Text: fmt.Sprintf("%s fails%s.%s", name, lastFailure(e), stuck), Link: link, To: "See the endpoint"})
	case status.Disabled:
		if stuck != "" || e.DisabledReason != "" && e.DisabledReason != "disabled on request" {
			add(Note{Level: "warn", Since: f.disabledSince(e.ID), Text: fmt.Sprintf("%s is disabled: %s.%s", name, format.Short(120, e.DisabledReason), stuck), Link: link, To: "Enable it"})
		}
	}
	// An open circuit probes some and lets others wait for that.
	if e.NextDue != nil && (e.State == status.Healthy || e.State == status.Failing) && now.Sub(*e.NextDue) > pastDue {
		add(Note{Level: "bad", Since: e.NextDue, Text: name + " has a delivery past its due time.", Link: f.links.ListPath("/deliveries", "status", "waiting", "endpoint", e.ID), To: "See what waits"})
	}
	if e.Missed > 0 {
		add(Note{Level: "bad", Text: fmt.Sprintf("%s missed %s: retention removed them while they waited.", name, format.Plural(e.Missed, "event", "events")), Link: link, To: "See the endpoint"})
	}
	if died > 0 {
		add(Note{Level: "warn", Text: fmt.Sprintf("%s has %s from the last day.", name, format.Plural(died, "dead letter", "dead letters")), Link: f.links.ListPath("/dead", "endpoint", e.ID), To: "Replay or remove"})
	}
	return notes
}

// lastFailure says how the last request failed.
func lastFailure(e *status.Endpoint) string {
	text := ""
	if e.Failures > 0 {
		text = fmt.Sprintf(": %s in a row", format.Plural(e.Failures, "failure", "failures"))
	}
	switch {
	case e.LastStatus != 0:
		text += fmt.Sprintf(", the last answered %d", e.LastStatus)
	case e.LastClass != "":
		text += ", the last by " + strings.ReplaceAll(e.LastClass, "_", " ")
	}
	return text
}

// storeNotes says what is nearly full.
func (f *Finder) storeNotes(st *status.Status) (notes []Note) {
	if p := st.Store.Percent; p != nil && *p >= nearlyFull {
		notes = append(notes, Note{Level: "bad", Text: fmt.Sprintf("The store is %.0f %% full. When it is full, webhooks are refused with 503: make room, or give it more.", *p)})
	}
	for i := range st.Streams {
		if str := &st.Streams[i]; str.Percent != nil && *str.Percent >= nearlyFull {
			notes = append(notes, Note{Level: "warn", Text: fmt.Sprintf("The stream %s is at %.0f %% of its limit; beyond it, %s.", str.Name, *str.Percent, whenFull(str.Name))})
		}
	}
	return notes
}

// whenFull is what happens to a stream that is at its limit.
func whenFull(stream string) string {
	switch stream {
	case "WEBHOOKS", "EVENTS", "DELIVERIES", "DEAD":
		return "nothing more is stored"
	default:
		return "the oldest records are removed"
	}
}

// stalledNotes says which streams bring a process nothing.
func stalledNotes(p *status.Process, now time.Time) (notes []Note) {
	for _, stream := range slices.Sorted(maps.Keys(p.Stalled)) {
		since := now.Add(-time.Duration(p.Stalled[stream] * float64(time.Second)))
		notes = append(notes, Note{Level: "bad", Since: &since, Text: fmt.Sprintf(
			"The %s process on %s (pid %d) gets nothing from the stream %s: NATS does not answer its requests, so it delivers nothing of what waits there.",
			p.Role, p.Host, p.PID, stream)})
	}
	return notes
}

// clockNotes says that a sender's clock is wrong.
func (f *Finder) clockNotes(src *status.Source) []Note {
	if src.ClockOff == 0 {
		return nil
	}
	way := "ahead"
	if src.ClockOff < 0 {
		way = "behind"
	}
	return []Note{{
		Level: "warn", Link: f.links.Path("/sources", src.Name), To: "See the source",
		Text: fmt.Sprintf("The clock of %s is %s %s, so most of what it signs is refused.", src.Name, format.Span(time.Duration(math.Abs(src.ClockOff)*float64(time.Second))), way),
	}}
}

// refusalNotes tells of refusals that are more than usual: some are made by whoever finds an address.
func (f *Finder) refusalNotes(r *status.Refusal) []Note {
	if !r.Spike() {
		return nil
	}
	usual := "usually none"
	if r.Usual > 0 {
		usual = fmt.Sprintf("usually %.1f", r.Usual)
	}
	reasons := slices.SortedFunc(maps.Keys(r.Reasons), func(a, b string) int {
		return cmp.Or(cmp.Compare(r.Reasons[b], r.Reasons[a]), strings.Compare(a, b))
	})
	why := ""
	if len(reasons) > 0 {
		why = "; most because " + format.Reason(reasons[0])
	}
	return []Note{{
		Level: "warn", Link: f.links.Path("/sources", r.Source), To: "See why",
		Text: fmt.Sprintf("%s of %s refused in the last hour, %s%s.", format.Plural(r.Hour, "request", "requests"), r.Source, usual, why),
	}}
}
