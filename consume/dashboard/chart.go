package dashboard

import (
	"fmt"
	"html/template"
	"strings"

	"jethook/consume/status"
)

// Charts are SVG without styles of their own, so that the policy takes them and both themes fit: classes give the colors.

// bar is one step of a chart in time: how many went well, and how many did not.
type bar struct {
	Good, Bad uint64
	Label     string // what the step is, for the title
}

// barsOf are the bars of steps in time.
func barsOf(steps []status.Step) []bar {
	bars := make([]bar, len(steps))
	for i := range steps {
		st := &steps[i]
		bars[i] = bar{Good: st.Delivered, Bad: st.Failed, Label: fmt.Sprintf("%s to %s UTC: %s delivered, %s failed, %s received, %s refused",
			st.Start.Format("15:04"), st.End.Format("15:04"), formatCount(st.Delivered), formatCount(st.Failed), formatCount(st.Received), formatCount(st.Refused))}
	}
	return bars
}

const (
	barWidth   = 6
	barGap     = 1
	sparkTall  = 28
	chartTall  = 80
	leastShown = 1.5 // height of the smallest count, so that a single failure is seen
)

// sparkline draws bars as small as a line of text; about says what they show to who can't see them.
func sparkline(about string, bars []bar) template.HTML {
	return drawBars("spark", sparkTall, about, bars)
}

// chart draws bars as wide as there is room.
func chart(about string, bars []bar) template.HTML { return drawBars("chart", chartTall, about, bars) }

// drawBars draws what went well from the bottom, and what failed on top of it.
func drawBars(class string, tall int, about string, bars []bar) template.HTML {
	var most uint64
	for _, b := range bars {
		most = max(most, b.Good+b.Bad)
	}
	var s strings.Builder
	wide := max(1, len(bars)*(barWidth+barGap)-barGap)
	fmt.Fprintf(&s, `<svg class="%s" role="img" aria-label="%s" viewBox="0 0 %d %d" width="%d" height="%d" preserveAspectRatio="none">`,
		class, template.HTMLEscapeString(about), wide, tall, wide, tall)
	for i, b := range bars {
		drawBar(&s, i*(barWidth+barGap), tall, most, b)
	}
	s.WriteString("</svg>")
	return template.HTML(s.String())
}

func drawBar(s *strings.Builder, x, tall int, most uint64, b bar) {
	if b.Good+b.Bad == 0 {
		fmt.Fprintf(s, `<rect class="none" x="%d" y="%d" width="%d" height="1"><title>%s</title></rect>`, x, tall-1, barWidth, template.HTMLEscapeString(b.Label))
		return
	}
	good, bad := height(b.Good, most, tall), height(b.Bad, most, tall)
	good = min(good, float64(tall)-bad)
	fmt.Fprintf(s, `<g><title>%s</title>`, template.HTMLEscapeString(b.Label))
	if b.Good > 0 {
		fmt.Fprintf(s, `<rect class="good" x="%d" y="%.1f" width="%d" height="%.1f"/>`, x, float64(tall)-good, barWidth, good)
	}
	if b.Bad > 0 {
		fmt.Fprintf(s, `<rect class="bad" x="%d" y="%.1f" width="%d" height="%.1f"/>`, x, float64(tall)-good-bad, barWidth, bad)
	}
	s.WriteString("</g>")
}

// height is how tall a count is drawn beside the largest.
func height(n, most uint64, tall int) float64 {
	if n == 0 || most == 0 {
		return 0
	}
	return max(leastShown, float64(n)/float64(most)*float64(tall))
}
