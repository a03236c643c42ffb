// Package chart draws what happened in steps of time as SVG, without styles of its own, so that the policy takes it and both themes fit:
// classes give the colors.
package chart

import (
	"fmt"
	"html/template"
	"strings"

	"jethook/consume/dashboard/format"

	"jethook/consume/status"
)

// Bar is one step of a chart in time: how many went well, and how many did not.
type Bar struct {
	Good, Bad uint64
	Label     string // what the step is, for the title
}

// Steps are the bars of steps in time.
func Steps(steps []status.Step) []Bar {
	bars := make([]Bar, len(steps))
	for i := range steps {
		st := &steps[i]
		bars[i] = Bar{Good: st.Delivered, Bad: st.Failed, Label: fmt.Sprintf("%s to %s UTC: %s delivered, %s failed, %s received, %s refused",
			st.Start.Format("15:04"), st.End.Format("15:04"), format.Count(st.Delivered), format.Count(st.Failed), format.Count(st.Received), format.Count(st.Refused))}
	}
	return bars
}

const (
	barWidth   = 6
	barGap     = 1
	sparkTall  = 20
	chartTall  = 80
	leastShown = 1.5 // height of the smallest count, so that a single failure is seen
)

// Spark draws bars as small as a line of text, in few bytes, since a list has a hundred of them; about says what they show.
func Spark(about string, bars []Bar) template.HTML {
	var most uint64
	for _, b := range bars {
		most = max(most, b.Good+b.Bad)
	}
	var good, bad strings.Builder
	for i, b := range bars {
		x := i*(barWidth+barGap) + barWidth/2
		up := int(height(b.Bad, most, sparkTall) + 0.5)
		if tall := min(int(height(b.Good, most, sparkTall)+0.5), sparkTall-up); b.Good > 0 {
			fmt.Fprintf(&good, "M%d %dV%d", x, sparkTall, sparkTall-tall)
			up += tall
		}
		if b.Bad > 0 {
			fmt.Fprintf(&bad, "M%d %dv%d", x, sparkTall-up, int(height(b.Bad, most, sparkTall)+0.5))
		}
	}
	return template.HTML(fmt.Sprintf(`<svg class="spark" role="img" aria-label="%s" viewBox="0 0 %d %d" preserveAspectRatio="none">%s%s</svg>`,
		template.HTMLEscapeString(about), len(bars)*(barWidth+barGap)-barGap, sparkTall, stroke("good", good.String()), stroke("bad", bad.String())))
}

// stroke is a path of bars; nothing where there is none.
func stroke(class, path string) string {
	if path == "" {
		return ""
	}
	return fmt.Sprintf(`<path class="%s" d="%s"/>`, class, path)
}

// Draw draws bars as wide as there is room, with a title for each: what went well from the bottom, and what failed on top of it.
func Draw(about string, bars []Bar) template.HTML {
	var most uint64
	for _, b := range bars {
		most = max(most, b.Good+b.Bad)
	}
	var s strings.Builder
	wide := max(1, len(bars)*(barWidth+barGap)-barGap)
	fmt.Fprintf(&s, `<svg class="chart" role="img" aria-label="%s" viewBox="0 0 %d %d" width="%d" height="%d" preserveAspectRatio="none">`,
		template.HTMLEscapeString(about), wide, chartTall, wide, chartTall)
	for i, b := range bars {
		drawBar(&s, i*(barWidth+barGap), chartTall, most, b)
	}
	s.WriteString("</svg>")
	return template.HTML(s.String())
}

func drawBar(s *strings.Builder, x, tall int, most uint64, b Bar) {
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
