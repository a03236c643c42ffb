package status

import (
	"cmp"
	"context"
	"maps"
	"math"
	"slices"
	"time"

	"jethook/config"
	"jethook/consume/endpoint"
	"jethook/publish/query"
	"jethook/publish/report"
)

// merge puts together what the processes report of each endpoint. The last failure is that of the process that saw
// it; a success in another one since ends the row of failures.
func merge(reports []report.Process) map[string]*report.Endpoint {
	all := make(map[string]*report.Endpoint)
	for i := range reports {
		for k := range reports[i].Endpoints {
			r := &reports[i].Endpoints[k]
			e := all[r.ID]
			if e == nil {
				e = &report.Endpoint{ID: r.ID}
				all[r.ID] = e
			}
			e.Running += r.Running
			e.InFlight += r.InFlight
			e.Hour.Add(&r.Hour)
			e.Streak += r.Streak
			if r.LastOK.After(e.LastOK) {
				e.LastOK = r.LastOK
			}
			if r.LastFailed.After(e.LastFailed) {
				e.LastFailed, e.Status, e.Class = r.LastFailed, r.Status, r.Class
			}
		}
	}
	return all
}

// describe adds what the processes report of an endpoint. A failure before the last success is no news.
func describe(r *report.Endpoint, e *Endpoint) {
	e.InFlight, e.Running = r.InFlight, r.Running
	e.Delivered, e.Failed = r.Hour.Delivered, r.Hour.Failed
	if n := e.Delivered + e.Failed; n > 0 {
		e.Success = new(float64(e.Delivered) / float64(n))
		e.P50, e.P99 = milliseconds(r.Hour.Latency.Quantile(0.5)), milliseconds(r.Hour.Latency.Quantile(0.99))
	}
	if r.LastFailed.After(r.LastOK) {
		e.Failures, e.LastStatus, e.LastClass = r.Streak, r.Status, r.Class
	}
}

func milliseconds(d time.Duration) *float64 {
	return new(float64(d.Round(10*time.Microsecond).Microseconds()) / 1000)
}

// readSources puts together what the processes report of each source, and those that are configured here.
func (d *draft) readSources(ctx context.Context, reports []report.Process, configured []config.Source) {
	all := Sources(reports)
	for _, c := range configured {
		if _, ok := all[c.Name]; !ok {
			all[c.Name] = Source{Name: c.Name}
		}
	}
	for _, s := range all {
		if s.LastSeen == nil { // the processes are younger than what it sent last
			newest, err := d.bus.Query().NewestOf(ctx, query.Webhooks(s.Name))
			d.note("sources", err)
			if !newest.IsZero() {
				s.LastSeen = new(newest.UTC())
			}
		}
		d.Sources = append(d.Sources, s)
	}
	slices.SortFunc(d.Sources, func(a, b Source) int { return cmp.Compare(a.Name, b.Name) })
}

// Sources puts together what the processes report of each source.
func Sources(reports []report.Process) map[string]Source {
	all := make(map[string]Source)
	for i := range reports {
		for k := range reports[i].Sources {
			r := &reports[i].Sources[k]
			s := all[r.Name]
			s.Name = r.Name
			s.Accepted += r.Accepted
			s.Duplicates += r.Duplicates
			if at := r.LastSeen; !at.IsZero() && (s.LastSeen == nil || at.After(*s.LastSeen)) {
				s.LastSeen = new(at.UTC())
			}
			if off := r.ClockOff.Seconds(); math.Abs(off) > math.Abs(s.ClockOff) {
				s.ClockOff = off
			}
			if s.Refused == nil {
				s.Refused = maps.Clone(r.Refused)
			} else {
				for reason, n := range r.Refused {
					s.Refused[reason] += n
				}
			}
			all[r.Name] = s
		}
	}
	return all
}

// readStreams describes the streams, the store and the queues.
func (d *draft) readStreams(ctx context.Context) {
	states, err := d.bus.Query().StreamStates(ctx)
	d.note("streams", err)
	for _, s := range states {
		st := Stream{Name: s.Name, Messages: s.Messages, Bytes: s.Bytes, MaxBytes: s.MaxBytes, Percent: percent(float64(s.Bytes), float64(s.MaxBytes))}
		if s.MaxAge > 0 {
			st.MaxAge = endpoint.Duration(s.MaxAge).String()
		}
		if !s.Oldest.IsZero() {
			st.Oldest = &s.Oldest
			st.AgePercent = percent(float64(d.At.Sub(s.Oldest)), float64(s.MaxAge))
		}
		d.Streams = append(d.Streams, st)
	}
	store, err := d.bus.Query().StoreState(ctx)
	d.note(lackStore, err)
	d.Store = Store{StoreState: store, Percent: percent(float64(store.Used), float64(store.Limit))}
	queues, err := d.bus.Queues().QueueStates(ctx)
	d.note("queues", err)
	for _, q := range queues {
		qu := Queue{Stream: q.Stream, Name: q.Name, Pending: q.Pending, Unacked: q.Unacked}
		if !q.Oldest.IsZero() {
			qu.Oldest = &q.Oldest
		}
		d.Queues = append(d.Queues, qu)
	}
}

// percent is a share with one decimal; nil when there is no limit.
func percent(of, limit float64) *float64 {
	if limit <= 0 {
		return nil
	}
	return new(float64(int(of/limit*1000+0.5)) / 10)
}
