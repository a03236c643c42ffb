package endpoints

import (
	"fmt"
	"html/template"

	"jethook/consume/daily"
	"jethook/consume/dashboard/chart"
	"jethook/consume/dashboard/format"
)

// endpointDay is an endpoint's last day: how many requests went well or failed, and its chart.
type endpointDay struct {
	daily.Day
	Share *float64 // of all that went well; nil: there was none, or it is not counted yet
}

// endpointDay is the day of an endpoint as far as it is counted.
func (s *pages) endpointDay(id string) endpointDay {
	day := endpointDay{Day: s.days.Of(id)}
	if n := day.Delivered + day.Failed; n > 0 {
		share := float64(day.Delivered) / float64(n)
		day.Share = &share
	}
	return day
}

// Requests is how many requests there were.
func (d *endpointDay) Requests() uint64 { return d.Delivered + d.Failed }

// About says what the chart shows.
func (d *endpointDay) About() string {
	about := fmt.Sprintf("The last 24 hours: %s delivered, %s failed", format.Count(d.Delivered), format.Count(d.Failed))
	if d.Sampled {
		about += ", estimated from a sample"
	}
	return about
}

// Spark is the chart in a line of text, and Chart the one with a title at each hour.
func (d *endpointDay) Spark() template.HTML {
	if d.Requests() == 0 {
		return ""
	}
	return chart.Spark(d.About(), d.bars())
}

// Chart is described at Spark.
func (d *endpointDay) Chart() template.HTML { return chart.Draw(d.About(), d.bars()) }

func (d *endpointDay) bars() []chart.Bar {
	bars := make([]chart.Bar, len(d.Hours))
	for i := range d.Hours {
		h := &d.Hours[i]
		bars[i] = chart.Bar{Good: h.Delivered, Bad: h.Failed, Label: fmt.Sprintf("%s UTC: %s delivered, %s failed",
			h.Start.Format("15:04"), format.Count(h.Delivered), format.Count(h.Failed))}
	}
	return bars
}
