package main

import (
	"time"

	"jethook/publish/processes"
	"jethook/publish/report"
)

// role is the command that runs the parts.
func (p part) role() string {
	switch p {
	case receiving:
		return "ingest"
	case delivering:
		return "consume"
	default:
		return "serve"
	}
}

// reporter returns what tells the other processes, and this one, how this one fares.
func (b *bridge) reporter(parts part) func() report.Process {
	self, started := processes.Self(parts.role()), time.Now().UTC()
	return func() report.Process {
		r := report.Process{Peer: self, Version: version(), Started: started}
		if e := b.engine.Load(); e != nil {
			r.Known, r.Endpoints = len(b.endpoints.All()), e.Report()
			r.Stalled = e.Stuck()
		}
		if b.ingest != nil {
			r.Sources, r.UnknownSource = b.ingest.Report(), b.ingest.UnknownSource()
		}
		r.Yields = b.bus.Moving().Yields()
		b.reportUnreadable(&r)
		return r
	}
}

// reportUnreadable adds the records that this process can't read.
func (b *bridge) reportUnreadable(r *report.Process) {
	add := func(some []report.Unreadable, n int) {
		r.Unreadable = append(r.Unreadable, some...)
		r.UnreadableCount += n
	}
	if b.endpoints != nil {
		add(b.endpoints.Unreadable())
	}
	add(b.bus.Sources().Unreadable())
	if e := b.engine.Load(); e != nil {
		add(e.Unreadable())
	}
}
