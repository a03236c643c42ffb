package ingest

import (
	"cmp"
	"maps"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"jethook/publish/report"
)

// noSource is the label of requests to no source, which no source can have as its name, and noSuchSource their reason.
const (
	noSource     = "_none"
	noSuchSource = "no_such_source"
)

// mostRefused is the reason that has a series before anything was refused: a rate needs a value before the first one.
const mostRefused = "bad_signature"

var (
	acceptedDesc = prometheus.NewDesc("jethook_webhooks_accepted_total",
		"Requests that this process verified and stored, duplicates among them, by source.", []string{"source"}, nil)
	duplicateDesc = prometheus.NewDesc("jethook_webhooks_duplicate_total",
		"Accepted requests whose event was stored before, by source.", []string{"source"}, nil)
	refusedDesc = prometheus.NewDesc("jethook_webhooks_refused_total",
		"Requests that this process did not store, by source and reason; source "+noSource+": the address of the request is no source's.",
		[]string{"source", "reason"}, nil)
)

// Collector tells what came of each source, of which it names at most so many.
func (s *Server) Collector(most int) prometheus.Collector {
	return &collector{server: s, names: report.NewNames(most)}
}

type collector struct {
	server *Server
	names  *report.Names
}

// Describe is of [prometheus.Collector].
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	ch <- acceptedDesc
	ch <- duplicateDesc
	ch <- refusedDesc
}

// Collect reads the figures that the server keeps in any case, so that metrics cost a request nothing.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	all := make(map[string]*report.Source)
	for _, r := range append(c.server.Report(), report.Source{Name: noSource, Refused: map[string]uint64{noSuchSource: c.server.unknown.Count()}}) {
		name := noSource
		if r.Name != noSource {
			name = c.names.Claim(r.Name)
		}
		sum := cmp.Or(all[name], &report.Source{Name: name})
		all[name] = sum
		sum.Accepted += r.Accepted
		sum.Duplicates += r.Duplicates
		if sum.Refused == nil {
			sum.Refused = make(map[string]uint64)
		}
		for reason, n := range r.Refused {
			sum.Refused[reason] += n
		}
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		sum := all[name]
		if name != noSource {
			sum.Refused[mostRefused] += 0
			ch <- prometheus.MustNewConstMetric(acceptedDesc, prometheus.CounterValue, float64(sum.Accepted), name)
			ch <- prometheus.MustNewConstMetric(duplicateDesc, prometheus.CounterValue, float64(sum.Duplicates), name)
		}
		for reason, n := range sum.Refused {
			ch <- prometheus.MustNewConstMetric(refusedDesc, prometheus.CounterValue, float64(n), name, reason)
		}
	}
}
