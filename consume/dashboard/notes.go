package dashboard

import (
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strings"
	"time"

	"jethook/consume/status"
)

// note is one thing that is wrong, in a sentence, with the way to where it is mended.
type note struct {
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

// notesOf says what is wrong, the worst first.
func (s *Server) notesOf(st *status.Status) (notes []note) {
	for i := range st.Endpoints {
		notes = append(notes, s.endpointNotes(&st.Endpoints[i], st.At)...)
	}
	notes = append(notes, s.storeNotes(st)...)
	for _, m := range st.Missing {
		notes = append(notes, note{
			Level: "warn", Since: &m.Heard, Text: fmt.Sprintf("The %s process on %s (pid %d) is gone: it does not answer.", m.Role, m.Host, m.PID),
		})
	}
	for _, u := range st.Unreadable {
		what := "A record of " + u.Bucket
		if u.Key != "" {
			what += ", " + u.Key + ","
		}
		notes = append(notes, note{Level: "bad", Text: what + " can't be read: " + u.Why + ". " + strings.Join(u.Processes, ", ") + " passes it over."})
	}
	for i := range st.Sources {
		notes = append(notes, s.sourceNotes(&st.Sources[i])...)
	}
	slices.SortStableFunc(notes, func(a, b note) int { return strings.Compare(a.Level, b.Level) })
	return notes
}

// endpointNotes says what is wrong with an endpoint.
func (s *Server) endpointNotes(e *status.Endpoint, now time.Time) (notes []note) {
	name, link := shorten(60, e.Name), s.path("/endpoints", e.ID)
	stuck := ""
	if n := e.Waiting + e.Behind; n > 0 {
		stuck = fmt.Sprintf(" %s.", plural(n, "delivery waits", "deliveries wait"))
	}
	switch e.State {
	case status.Open:
		notes = append(notes, note{Level: "bad", Since: e.FailingSince, Text: fmt.Sprintf("%s takes nothing%s; it is only probed.%s", name, lastFailure(e), stuck), Link: link, To: "See the endpoint"})
	case status.Failing:
		notes = append(notes, note{Level: "warn", Text: fmt.Sprintf("%s fails%s.%s", name, lastFailure(e), stuck), Link: link, To: "See the endpoint"})
	case status.Disabled:
		if stuck != "" || e.DisabledReason != "" && e.DisabledReason != "disabled on request" {
			notes = append(notes, note{Level: "warn", Text: fmt.Sprintf("%s is disabled: %s.%s", name, shorten(120, e.DisabledReason), stuck), Link: link, To: "Enable it"})
		}
	}
	if e.NextDue != nil && e.State != status.Disabled && now.Sub(*e.NextDue) > pastDue {
		notes = append(notes, note{Level: "bad", Since: e.NextDue, Text: name + " has a delivery past its due time.", Link: s.path("/deliveries") + template.URL("?status=waiting&endpoint="+template.URLQueryEscaper(e.ID)), To: "See what waits"})
	}
	if e.Missed > 0 {
		notes = append(notes, note{Level: "bad", Text: fmt.Sprintf("%s missed %s: they grew older than the retention while they waited.", name, plural(e.Missed, "event", "events")), Link: link, To: "See the endpoint"})
	}
	if e.Dead > 0 {
		notes = append(notes, note{Level: "warn", Text: fmt.Sprintf("%s has %s.", name, plural(e.Dead, "dead letter", "dead letters")), Link: s.path("/dead") + template.URL("?endpoint="+template.URLQueryEscaper(e.ID)), To: "Replay or remove"})
	}
	return notes
}

// lastFailure says how the last request failed.
func lastFailure(e *status.Endpoint) string {
	text := ""
	if e.Failures > 0 {
		text = fmt.Sprintf(": %s in a row", plural(e.Failures, "failure", "failures"))
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
func (s *Server) storeNotes(st *status.Status) (notes []note) {
	if p := st.Store.Percent; p != nil && *p >= nearlyFull {
		notes = append(notes, note{Level: "bad", Text: fmt.Sprintf("The store is %.0f %% full. When it is full, webhooks are refused with 503: make room, or give it more.", *p)})
	}
	for i := range st.Streams {
		if str := &st.Streams[i]; str.Percent != nil && *str.Percent >= nearlyFull {
			notes = append(notes, note{Level: "warn", Text: fmt.Sprintf("The stream %s is at %.0f %% of its limit; beyond it, %s.", str.Name, *str.Percent, whenFull(str.Name))})
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
		return "the oldest records go"
	}
}

// sourceNotes says what is refused of a source.
func (s *Server) sourceNotes(src *status.Source) (notes []note) {
	link := s.path("/sources", src.Name)
	if src.ClockOff != 0 {
		way := "ahead"
		if src.ClockOff < 0 {
			way = "behind"
		}
		notes = append(notes, note{Level: "warn", Text: fmt.Sprintf("The clock of %s is %.0f s %s, so most of what it signs is refused.", src.Name, max(src.ClockOff, -src.ClockOff), way), Link: link, To: "See the source"})
	}
	var total uint64
	for _, n := range src.Refused {
		total += n
	}
	if total == 0 {
		return notes
	}
	// A refusal now and then is the usual: scanners find every address. Told is what is much of all that came.
	if total*5 < src.Accepted {
		return notes
	}
	reasons := slices.SortedFunc(maps.Keys(src.Refused), func(a, b string) int { return int(src.Refused[b]) - int(src.Refused[a]) })
	return append(notes, note{
		Level: "warn", Link: link, To: "See why",
		Text: fmt.Sprintf("%s of %s refused, %s accepted since the processes started; most for %s.", plural(total, "request", "requests"), src.Name, formatCount(src.Accepted), reasonWords(reasons[0])),
	})
}
