package dashboard

import (
	"fmt"
	"html/template"
	"strings"
)

// Charts are SVG without styles of their own, so that the policy takes them and both themes fit: classes give the colors.

// bar is one step of a chart in time: how many went well, and how many did not.
type bar struct {
	Good, Bad uint64
	Label     string // what the step is, for the title
}

const (
	barWidth   = 6
	barGap     = 1
	sparkTall  = 28
	leastShown = 1.5 // height of the smallest count, so that a single failure is seen
)

// sparkline draws bars: what went well from the bottom, and what failed on top of it. about says what it shows to who can't see it.
func sparkline(about string, bars []bar) template.HTML {
	var most uint64
	for _, b := range bars {
		most = max(most, b.Good+b.Bad)
	}
	var s strings.Builder
	wide := len(bars)*(barWidth+barGap) - barGap
	fmt.Fprintf(&s, `<svg class="spark" role="img" aria-label="%s" viewBox="0 0 %d %d" width="%d" height="%d" preserveAspectRatio="none">`,
		template.HTMLEscapeString(about), wide, sparkTall, wide, sparkTall)
	for i, b := range bars {
		x := i * (barWidth + barGap)
		good, bad := height(b.Good, most), height(b.Bad, most)
		if good+bad > sparkTall {
			good = sparkTall - bad
		}
		if b.Good+b.Bad == 0 {
			fmt.Fprintf(&s, `<rect class="none" x="%d" y="%d" width="%d" height="1"/>`, x, sparkTall-1, barWidth)
			continue
		}
		fmt.Fprintf(&s, `<g><title>%s</title>`, template.HTMLEscapeString(b.Label))
		if b.Good > 0 {
			fmt.Fprintf(&s, `<rect class="good" x="%d" y="%.1f" width="%d" height="%.1f"/>`, x, sparkTall-good, barWidth, good)
		}
		if b.Bad > 0 {
			fmt.Fprintf(&s, `<rect class="bad" x="%d" y="%.1f" width="%d" height="%.1f"/>`, x, sparkTall-good-bad, barWidth, bad)
		}
		s.WriteString("</g>")
	}
	s.WriteString("</svg>")
	return template.HTML(s.String())
}

// height is how tall a count is drawn beside the largest.
func height(n, most uint64) float64 {
	if n == 0 || most == 0 {
		return 0
	}
	return max(leastShown, float64(n)/float64(most)*sparkTall)
}
