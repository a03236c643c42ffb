package dashboard

import (
	"context"
	"fmt"
	"html/template"
	"sync"
	"time"

	"jethook/consume/status"
)

// endpointDays are the trends of the endpoints whose pages were looked at.
type endpointDays struct {
	mu  sync.Mutex // guards what follows
	all map[string]*status.Trends
}

const (
	// keptDays bounds them: beyond it they are counted anew.
	keptDays = 200

	endpointStep, endpointSteps = time.Hour, 24
)

// of returns the trends of an endpoint.
func (d *endpointDays) of(s *Server, id string) *status.Trends {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.all == nil || len(d.all) >= keptDays {
		d.all = make(map[string]*status.Trends)
	}
	t, ok := d.all[id]
	if !ok {
		t = status.NewEndpointTrends(s.bus, id)
		d.all[id] = t
	}
	return t
}

// endpointDay is an endpoint's last day: how many requests went well or failed, and its chart.
type endpointDay struct {
	Delivered, Failed uint64
	Share             string // that went well; empty: there was none
	Chart             template.HTML
}

func (s *Server) endpointDay(ctx context.Context, id string) (day endpointDay, err error) {
	steps, err := s.days.of(s, id).Last(ctx, endpointStep, endpointSteps)
	if err != nil {
		return day, err
	}
	bars := make([]bar, len(steps))
	for i := range steps {
		step := &steps[i]
		day.Delivered += step.Delivered
		day.Failed += step.Failed
		bars[i] = bar{Good: step.Delivered, Bad: step.Failed, Label: fmt.Sprintf("%s UTC: %s delivered, %s failed",
			step.Start.Format("15:04"), formatCount(step.Delivered), formatCount(step.Failed))}
	}
	if n := day.Delivered + day.Failed; n > 0 {
		day.Share = formatShare(float64(day.Delivered) / float64(n))
	}
	day.Chart = sparkline(fmt.Sprintf("The last 24 hours: %s delivered, %s failed", formatCount(day.Delivered), formatCount(day.Failed)), bars)
	return day, nil
}
