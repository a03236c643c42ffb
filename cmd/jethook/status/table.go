package status

import (
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"jethook/cmd/jethook/cli"
	"jethook/cmd/jethook/client"
	"jethook/consume/notice"
	"jethook/consume/status"
)

// writeStatus writes what somebody needs to see first, first: what the status lacks, the endpoints in trouble, and then
// the rest.
func writeStatus(w io.Writer, s *status.Status, all bool) {
	cli.Row(w, "As of "+cli.Stamp(&s.At)+"; the last hour is counted from "+cli.Stamp(&s.HourSince))
	if m := s.Moving; m != nil {
		cli.Row(w, "MOVING      to "+m.To+" since "+cli.Stamp(&m.Began)+" ("+m.Phase+"): webhooks are still received; deliveries and changes wait for the cluster")
	}
	if s.Behind > 0 {
		cli.Row(w, "BEHIND      "+countDeliveries(s.Behind)+" waiting in the event streams for endpoints that lag behind")
	}
	for _, what := range s.Incomplete {
		cli.Row(w, "INCOMPLETE  "+what)
	}
	for i := range s.Unreadable {
		u := &s.Unreadable[i]
		cli.Row(w, "UNREADABLE  "+strings.TrimSuffix(u.Bucket+"/"+u.Key, "/")+": "+u.Why+" ("+strings.Join(u.Processes, ", ")+")")
	}
	for _, p := range s.Processes {
		for _, stream := range slices.Sorted(maps.Keys(p.Stalled)) {
			cli.Row(w, fmt.Sprintf("STALLED     %s on %s (pid %d) has received nothing from stream %s for %s: NATS does not answer its requests",
				p.Role, p.Host, p.PID, stream, notice.Span(time.Duration(p.Stalled[stream]*float64(time.Second)))))
		}
	}
	for i := range s.Sources {
		if src := &s.Sources[i]; src.ClockOff != 0 {
			cli.Row(w, "CLOCK       "+src.Name+": "+clockWords(src.ClockOff))
		}
	}
	if s.Unknown > 0 {
		cli.Row(w, "UNKNOWN     "+cli.Counted(s.Unknown, "request")+" for sources that are not in JETHOOK_SOURCES; the log names them")
	}
	for i := range s.Endpoints {
		if e := &s.Endpoints[i]; e.Missed > 0 {
			cli.Row(w, "MISSED      "+e.Name+": retention removed "+cli.Counted(e.Missed, "waiting event")+" ("+e.ID+")")
		}
	}
	writeEndpoints(w, s, all)
	writeStreams(w, s)
	cli.Row(w)
	cli.Row(w, "QUEUE", "PENDING", "UNACKNOWLEDGED", "OLDEST")
	for _, q := range s.Queues {
		cli.Row(w, q.Stream+"/"+q.Name, q.Pending, q.Unacked, ago(s.At, q.Oldest))
	}
	cli.Row(w)
	cli.Row(w, "SOURCE", "LAST SEEN", "ACCEPTED", "DUPLICATES", "REFUSED")
	for _, src := range s.Sources {
		cli.Row(w, src.Name, ago(s.At, src.LastSeen), src.Accepted, src.Duplicates, client.Refusals(src.Refused))
	}
	cli.Row(w)
	cli.Row(w, "PROCESS", "HOST", "PID", "VERSION", "UP", "ENDPOINTS")
	for _, p := range s.Processes {
		cli.Row(w, p.Role, p.Host, p.PID, p.Version, ago(s.At, &p.Started), p.Endpoints)
	}
	for _, m := range s.Missing {
		cli.Row(w, m.Role, m.Host, m.PID, "NO ANSWER", "last heard "+ago(s.At, &m.Heard)+" ago", "-")
	}
}

func countDeliveries(n uint64) string {
	if n == 1 {
		return "1 delivery"
	}
	return fmt.Sprint(n, " deliveries")
}

// clockWords says what is wrong where most of what a source's sender signs is refused for its time.
func clockWords(seconds float64) string {
	off := notice.Span(time.Duration(math.Abs(seconds) * float64(time.Second)))
	side := "ahead of"
	if seconds < 0 {
		side = "behind"
	}
	return "most requests are refused for their timestamp: the sender's clock is about " + off + " " + side + " ours, or requests are delayed"
}

func writeEndpoints(w io.Writer, s *status.Status, all bool) {
	cli.Row(w)
	hidden := 0
	for i := range s.Endpoints {
		e := &s.Endpoints[i]
		if !all && e.Idle() {
			hidden++
			continue
		}
		if i == hidden {
			cli.Row(w, "ENDPOINT", "STATE", "WAITING", "BEHIND", "OLDEST", "NEXT", "IN FLIGHT", "DEAD", "LAST HOUR", "P50", "P99", "LAST FAILURE", "ID")
		}
		about := ""
		if e.Approximate { // another one may be older, or due before
			about = "~"
		}
		cli.Row(w, e.Name, state(s.At, e), e.Waiting+e.Behind, behind(s.At, e), mark(about, ago(s.At, e.Oldest)), mark(about, until(s.At, e.NextDue)),
			e.InFlight, e.Dead, lastHour(e), latency(e.P50), latency(e.P99), lastFailure(e), e.ID)
	}
	switch {
	case len(s.Endpoints) == 0:
		cli.Row(w, "No endpoints.")
	case hidden == len(s.Endpoints):
		cli.Row(w, fmt.Sprintf("Nothing is waiting, dead, or failing. %s idle (--all shows them).", cli.Counted(hidden, "endpoint")))
	case hidden > 0:
		cli.Row(w, fmt.Sprintf("%d more idle (--all shows them).", hidden))
	}
}

func writeStreams(w io.Writer, s *status.Status) {
	cli.Row(w)
	cli.Row(w, "STREAM", "MESSAGES", "BYTES", "LIMIT", "FULL", "OLDEST", "KEPT FOR")
	for _, st := range s.Streams {
		kept := st.MaxAge
		if kept == "" {
			kept = "-"
		}
		cli.Row(w, st.Name, st.Messages, size(int64(st.Bytes)), limitOf(st.MaxBytes), full(st.Percent), ago(s.At, st.Oldest), kept)
	}
	cli.Row(w, "(the store)", "", size(int64(s.Store.Used)), limitOf(s.Store.Limit), full(s.Store.Percent), "-", "-")
}

func state(now time.Time, e *status.Endpoint) string {
	if e.FailingSince != nil {
		return strings.ToUpper(string(e.State)) + " " + ago(now, e.FailingSince)
	}
	if e.State == status.Failing {
		return strings.ToUpper(string(e.State))
	}
	return string(e.State)
}

// behind tells what of the waiting lies in the streams of events, why, and for how long the endpoint has lagged.
func behind(now time.Time, e *status.Endpoint) string {
	if e.Behind == 0 {
		return "-"
	}
	text := fmt.Sprintf("%d %s", e.Behind, strings.ReplaceAll(e.BehindWhy, "_", " "))
	if e.BehindSince != nil {
		text += " " + ago(now, e.BehindSince)
	}
	return text
}

func lastHour(e *status.Endpoint) string {
	if e.Success == nil {
		return "-"
	}
	// Cut and not rounded: 100% means that all went well.
	return fmt.Sprintf("%.4g%% of %d", float64(int(*e.Success*1000))/10, e.Delivered+e.Failed)
}

func latency(ms *float64) string {
	if ms == nil {
		return "-"
	}
	d := time.Duration(*ms * float64(time.Millisecond))
	if d >= time.Second {
		return d.Round(10 * time.Millisecond).String()
	}
	return d.Round(100 * time.Microsecond).String()
}

func lastFailure(e *status.Endpoint) string {
	switch {
	case e.State == status.Disabled && e.DisabledReason != "":
		return e.DisabledReason
	case e.Failures == 0:
		return "-"
	case e.LastStatus != 0:
		return fmt.Sprintf("%d (%d in a row)", e.LastStatus, e.Failures)
	default:
		return fmt.Sprintf("%s (%d in a row)", e.LastClass, e.Failures)
	}
}

// ago is how long before now a time was; "-" for none.
func ago(now time.Time, t *time.Time) string {
	if t == nil || t.IsZero() {
		return "-"
	}
	return notice.Span(now.Sub(*t))
}

// until is how long after now a time is.
func until(now time.Time, t *time.Time) string {
	switch {
	case t == nil || t.IsZero():
		return "-"
	case !t.After(now):
		return "now"
	default:
		return "in " + notice.Span(t.Sub(now))
	}
}

func mark(with, text string) string {
	if text == "-" {
		return text
	}
	return with + text
}

func limitOf(bytes int64) string {
	if bytes <= 0 {
		return "-"
	}
	return size(bytes)
}

func full(percent *float64) string {
	if percent == nil {
		return "-"
	}
	return fmt.Sprintf("%.1f%%", *percent)
}

// size is a number of bytes in the unit that fits.
func size(bytes int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	n, i := float64(bytes), 0
	for ; n >= 1024 && i < len(units)-1; i++ {
		n /= 1024
	}
	return fmt.Sprintf("%.4g %s", n, units[i])
}
