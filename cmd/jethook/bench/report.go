package bench

import (
	"fmt"
	"io"

	"jethook/cmd/jethook/bench/load"
	"jethook/cmd/jethook/cli"
)

// Write implements [Report].
func (r *IngestReport) Write(w io.Writer) {
	fmt.Fprintf(w, "RATIO OF REQUESTS/S\t\njethook / bare handler\t%.3f\n", r.RatioToBare)
	if r.RatioAlwaysInterval != nil {
		fmt.Fprintf(w, "sync always / interval\t%.3f\n", *r.RatioAlwaysInterval)
	}
	fmt.Fprint(w, "\nFIGURES\trequests/s\tp50 ms\tp90 ms\tp99 ms\tmax ms\trequests\terrors\n")
	r.Jethook.write(w, "jethook")
	if r.Compared != nil {
		r.Compared.write(w, "jethook")
	}
	r.Bare.write(w, "bare handler")
	for _, f := range []*IngestFigures{&r.Jethook, r.Compared, &r.Bare} {
		if f != nil && f.FirstError != "" {
			fmt.Fprintf(w, "\nfirst error\t%s\n", cli.Printable(f.FirstError))
		}
	}
	fmt.Fprintf(w, "\njethook\t%s, %s\nload\t%s over %d connections, bodies of %d bytes, %v s\n",
		r.Version, r.Mode, cli.Counted(r.Sources, "source"), r.Connections, r.BodyBytes, r.Duration)
	fmt.Fprintf(w, "sync\t%s\n", durability(r.Jethook.Sync, r.InMemory))
	r.writeMachine(w)
}

// Write implements [Report].
func (r *DeliverReport) Write(w io.Writer) {
	fmt.Fprintf(w, "RATIOS\t\ndeliveries/s / bare posts/s\t%.3f\n", r.RatioToBarePosts)
	if r.RatioWithBad != nil {
		fmt.Fprintf(w, "deliveries/s with bad endpoints / without\t%.3f\np99 with bad endpoints / without\t%.3f\n",
			*r.RatioWithBad, *r.RatioP99WithBad)
		fmt.Fprintf(w, "peak memory with bad endpoints / without\t%s\npeak disk with bad endpoints / without\t%s\n",
			measurement(r.RatioMemory, as("%.3f")), measurement(r.RatioDisk, as("%.3f")))
	}
	fmt.Fprintf(w, "slowest second / median second\t%s\n", measurement(r.Jethook.Tail, as("%.3f")))
	fmt.Fprint(w, "\nFIGURES OF HEALTHY ENDPOINTS\tdeliveries/s\tp50 ms\tp90 ms\tp99 ms\tmax ms\texpected\tlost\tduplicated\tpublished/s\n")
	if r.Baseline != nil {
		r.Baseline.write(w, "jethook, no bad endpoints")
	}
	r.Jethook.write(w, "jethook")
	fmt.Fprintf(w, "bare posts\t%.0f\n", r.BarePostsPerSec)
	f := &r.Jethook
	fmt.Fprintf(w, "\nCPU for each delivery\t%s\ndisk for each event\t%s\npeak memory\t%s\npeak disk\t%s\nwritten to wait\t%s\n",
		measurement(f.CPUPerDelivery, as("%.3f ms")), measurement(f.BytesPerEvent, as("%.0f bytes")), measurement(f.PeakMemory, mebibytes),
		measurement(f.PeakDisk, mebibytes), measurement(f.Waits, messages))
	fmt.Fprintf(w, "\njethook\t%s, %s\nload\t%s of %d bytes, %s, to %s\n",
		r.Version, r.Mode, cli.Counted(r.Events, "event"), r.BodyBytes, pace(r.Rate, r.Batch), cli.Counted(f.Healthy, "healthy endpoint"))
	if r.bad() > 0 {
		fmt.Fprintf(w, "bad endpoints\t%d that answer after %v s, %d that answer 500, %d that refuse connections; %d requests reached them\n",
			r.Slow, r.SlowFor, r.Failing, r.Refusing, f.BadRequests)
	}
	fmt.Fprintf(w, "sync\t%s\n", durability(r.Sync, r.InMemory))
	r.writeMachine(w)
}

func (f *DeliverFigures) write(w io.Writer, name string) {
	fmt.Fprintf(w, "%s\t%.0f\t%s\t%d\t%d\t%d\t%.0f\n", name, f.DeliveriesPerSecond, cells(&f.Latency),
		f.Expected, f.Lost, f.Duplicated, f.PublishedPerSecond)
}

func pace(rate float64, batch int) string {
	switch {
	case rate > 0:
		return fmt.Sprintf("%v a second", rate)
	case batch > 1:
		return fmt.Sprintf("%d at once, as fast as they go", batch)
	default:
		return "as fast as they go"
	}
}

func measurement[T any](v *T, show func(T) string) string {
	if v == nil {
		return "not measured"
	}
	return show(*v)
}

// as shows a figure by a format.
func as(format string) func(float64) string {
	return func(v float64) string { return fmt.Sprintf(format, v) }
}

func mebibytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

func messages(n int64) string { return cli.Counted(int(n), "message") }

func (f *IngestFigures) write(w io.Writer, name string) {
	if f.Sync != "" {
		name += ", sync " + f.Sync
	}
	fmt.Fprintf(w, "%s\t%.0f\t%s\t%d\t%d\n", name, f.RequestsPerSecond, cells(&f.Latency), f.Requests, f.Errors)
}

func cells(l *load.Latency) string {
	return fmt.Sprintf("%.2f\t%.2f\t%.2f\t%.2f", l.P50, l.P90, l.P99, l.Max)
}

func (m *Machine) writeMachine(w io.Writer) {
	fmt.Fprintf(w, "machine\t%s/%s, %s, GOMAXPROCS %d\n", m.OS, m.Arch, cli.Counted(m.CPUs, "core"), m.GOMAXPROCS)
}

// durability says what a setting of JETHOOK_SYNC promises.
func durability(sync string, inMemory bool) string {
	switch {
	case sync == "":
		return "as the running Jethook has it"
	case inMemory:
		return sync + ", but the store lay in memory, where it costs nothing: set TMPDIR to a folder on a disk"
	case sync == "always":
		return sync + ": on disk before each acknowledgement"
	default:
		return sync + ": a power cut may lose that much"
	}
}
