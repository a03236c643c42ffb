// Package format puts values into the words and figures that pages show.
package format

import (
	"fmt"
	"html/template"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Path is the path of a page below the base path: parts that come from outside are escaped, and follow after a path of the
// program's own.
func Path(fixed string, parts ...string) string {
	var b strings.Builder
	b.WriteString(fixed)
	for _, p := range parts {
		b.WriteString("/" + escapeSegment(p))
	}
	return b.String()
}

// escapeSegment escapes a part of a path, also what a browser would take for a step upwards.
func escapeSegment(p string) string {
	var b strings.Builder
	for i := range len(p) {
		c := p[i]
		plain := c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte("-_~:", c) >= 0 ||
			c == '.' && p != "." && p != ".."
		if plain {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// Share is a share of 1 in percent, never more than it is: 99.99 % is not all.
func Share(share float64) string {
	return strings.TrimSuffix(strconv.FormatFloat(math.Floor(share*1000)/10, 'f', 1, 64), ".0") + " %"
}

// timeOf accepts what records hold: a time, or a pointer to one.
func timeOf(v any) time.Time {
	switch t := v.(type) {
	case time.Time:
		return t
	case *time.Time:
		if t != nil {
			return *t
		}
	}
	return time.Time{}
}

// Time is a time as seen from now, with the exact time for whoever wants to know; app.js adds the local one.
func Time(v any, now time.Time) template.HTML {
	t := timeOf(v)
	if t.IsZero() {
		return "—"
	}
	utc := t.UTC()
	return template.HTML(fmt.Sprintf(`<time datetime="%s" title="%s">%s</time>`,
		utc.Format("2006-01-02T15:04:05.000Z"), utc.Format("2006-01-02 15:04:05 UTC"), relative(t, now)))
}

// Clock is an exact time in UTC.
func Clock(v any) template.HTML {
	t := timeOf(v)
	if t.IsZero() {
		return "—"
	}
	utc := t.UTC()
	return template.HTML(fmt.Sprintf(`<time datetime="%s">%s</time>`, utc.Format("2006-01-02T15:04:05.000Z"), utc.Format("2006-01-02 15:04:05.000 UTC")))
}

// relative is how far a time lies from now, in one unit, or two while that matters.
func relative(t, now time.Time) string {
	d := now.Sub(t)
	if d < 0 {
		if -d < time.Second {
			return "now"
		}
		return "in " + Span(-d)
	}
	if d < 2*time.Second {
		return "just now"
	}
	return Span(d) + " ago"
}

// Span is how long something lasts, in one unit, or two while that matters.
func Span(d time.Duration) string {
	switch s := int(d / time.Second); {
	case s < 60:
		return fmt.Sprintf("%d s", max(1, s))
	case s < 3600:
		return fmt.Sprintf("%d min", s/60)
	case s < 6*3600 && s%3600 >= 60:
		return fmt.Sprintf("%d h %d min", s/3600, s%3600/60)
	case s < 48*3600:
		return fmt.Sprintf("%d h", s/3600)
	default:
		return fmt.Sprintf("%d d", s/86400)
	}
}

// Bytes is a size for people.
func Bytes(v any) string {
	n := number(v)
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	i := 0
	for n >= 1024 && i < len(units)-1 {
		n /= 1024
		i++
	}
	if i == 0 || n >= 100 {
		return fmt.Sprintf("%.0f %s", n, units[i])
	}
	return fmt.Sprintf("%.1f %s", n, units[i])
}

// Count is a whole number with its thousands set apart.
func Count(v any) string {
	digits := strconv.FormatInt(int64(number(v)), 10)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

func number(v any) float64 {
	switch n := v.(type) {
	case int:
		return float64(n)
	case int64:
		return float64(n)
	case uint64:
		return float64(n)
	case float64:
		return n
	default:
		return 0
	}
}

// Plural is a count with its noun.
func Plural(v any, one, many string) string {
	if number(v) == 1 {
		return "1 " + one
	}
	return Count(v) + " " + many
}

// Milliseconds is a duration that is given in milliseconds.
func Milliseconds(v any) string {
	var ms float64
	switch n := v.(type) {
	case float64:
		ms = n
	case *float64:
		if n == nil {
			return "—"
		}
		ms = *n
	}
	switch {
	case ms < 10:
		return strconv.FormatFloat(ms, 'f', 1, 64) + " ms"
	case ms < 10_000:
		return fmt.Sprintf("%.0f ms", ms)
	default:
		return fmt.Sprintf("%.1f s", ms/1000)
	}
}

// Visible makes what could deceive the reader visible: controls, terminal escapes, and what turns the direction of text. Bytes that
// are not UTF-8 become the replacement character.
func Visible(v any) string {
	text := fmt.Sprint(v)
	odd := func(r rune) bool {
		return r == utf8.RuneError || r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029')
	}
	if !strings.ContainsFunc(text, odd) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == utf8.RuneError || !odd(r):
			b.WriteRune(r)
		case r < 0x20:
			b.WriteRune(0x2400 + r) // its picture
		case r == 0x7f:
			b.WriteRune(0x2421)
		default:
			fmt.Fprintf(&b, "\\u%04x", r)
		}
	}
	return b.String()
}

// Short is Visible, cut to so many characters.
func Short(most int, v any) string {
	text := Visible(v)
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	runes := []rune(text)
	return string(runes[:most-1]) + "…"
}

// AtLeast is a count with its noun, that may be a lower bound.
func AtLeast(n int, more bool, one, many string) string {
	if more {
		return Count(n) + "+ " + many
	}
	return Plural(n, one, many)
}

// Sentence makes a clause of the API's a sentence.
func Sentence(text string) string {
	if text == "" {
		return ""
	}
	if c := text[0]; c >= 'a' && c <= 'z' {
		text = string(c-'a'+'A') + text[1:]
	}
	if last := text[len(text)-1]; last != '.' && last != '!' && last != '?' {
		text += "."
	}
	return text
}
