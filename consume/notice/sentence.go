package notice

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"jethook/publish/topology"
)

// Sentence says for people what the operational event in body is about, in one line. Clean makes text from outside
// safe where the sentence will stand; the rest of it is letters, digits and punctuation, and backticks around what a
// sender chose. It returns false for anything but an operational event that was published on subject.
func Sentence(subject string, body []byte, clean func(string) string) (string, bool) {
	kind, ok := strings.CutPrefix(subject, topology.OpsPrefix)
	var e Event
	if !ok || json.Unmarshal(body, &e) != nil || e.Type != subject || e.Data.Endpoint == "" {
		return "", false
	}
	d := &e.Data
	who := "Endpoint " + d.who(clean)
	switch kind {
	case Failing:
		return who + " is failing since " + clock(d.FailingSince, e.Time) + d.failures(clean) + "." + d.left(), true
	case Recovered:
		return who + " is well again after " + Span(e.Time.Sub(d.FailedSince)) + "." + d.left(), true
	case Disabled:
		why := strings.TrimPrefix(cmp.Or(d.Reason, "on request"), "disabled ")
		return who + " is disabled: " + clean(why) + "." + d.left(), true
	case Enabled:
		return who + " is enabled again." + d.left(), true
	case Missed:
		return fmt.Sprintf("%s has missed %s: the retention of %s took what waited for it since %s.", who, count(int(d.Missed), "event"),
			clean(d.Stream), clock(d.WaitingSince, e.Time)), true
	case Dead:
		return fmt.Sprintf("Delivery of `%s` (`%s`) to %s has failed for good after %s, %s.", clean(d.EventType), clean(d.EventID),
			d.who(clean), count(d.Attempts, "attempt"), d.last(clean)), true
	default:
		return "", false
	}
}

// who is the endpoint's name, or its id if it has none any more, and its host.
func (d *Data) who(clean func(string) string) string {
	if d.Host == "" {
		return clean(cmp.Or(d.Name, d.Endpoint))
	}
	return clean(cmp.Or(d.Name, d.Endpoint)) + " (" + clean(d.Host) + ")"
}

func (d *Data) failures(clean func(string) string) string {
	if d.Failures == 0 { // another process has seen them
		return ""
	}
	return ": " + count(d.Failures, "failure") + " in a row, " + d.last(clean)
}

// last is the last failure in a word or two.
func (d *Data) last(clean func(string) string) string {
	switch {
	case d.LastStatus != 0:
		return fmt.Sprint("last ", d.LastStatus)
	case d.LastClass != "":
		return "last " + clean(strings.ReplaceAll(d.LastClass, "_", " "))
	default:
		return "last: " + clean(cmp.Or(d.Reason, "unknown"))
	}
}

// left is what is yet to be delivered, or has to be replayed.
func (d *Data) left() string {
	var parts []string
	if d.Waiting != nil && *d.Waiting > 0 {
		parts = append(parts, fmt.Sprint(*d.Waiting, " waiting"))
	}
	if d.Dead != nil && *d.Dead > 0 {
		parts = append(parts, fmt.Sprint(*d.Dead, " dead"))
	}
	if len(parts) == 0 {
		return ""
	}
	return " " + strings.Join(parts, ", ") + "."
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprint(n, " ", what, "s")
}

// clock is the time of day, with the date unless that is now's.
func clock(t, now time.Time) string {
	t, now = t.UTC(), now.UTC()
	if t.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return t.Format("15:04 UTC")
	}
	return t.Format("2006-01-02 15:04 UTC")
}

// Span is a duration in its two largest units.
func Span(d time.Duration) string {
	days, hours, minutes, seconds := int(d.Hours())/24, int(d.Hours())%24, int(d.Minutes())%60, int(d.Seconds())%60
	switch {
	case days > 0:
		return fmt.Sprintf("%dd %dh", days, hours)
	case hours > 0:
		return fmt.Sprintf("%dh %dm", hours, minutes)
	case minutes > 0:
		return fmt.Sprintf("%dm %ds", minutes, seconds)
	default:
		return fmt.Sprintf("%ds", max(0, seconds))
	}
}
