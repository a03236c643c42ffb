package bench

import (
	"fmt"
	"io"
	"strings"
)

// A report's tables are for a tabwriter: cells end with a tab.

// Write writes the report as tables: what can be compared between machines first.
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
			fmt.Fprintf(w, "\nfirst error\t%s\n", printable(f.FirstError))
		}
	}
	fmt.Fprintf(w, "\njethook\t%s, %s\nload\t%s over %d connections, bodies of %d bytes, %v s\n",
		r.Version, r.Mode, count(r.Sources, "source"), r.Connections, r.BodyBytes, r.Duration)
	fmt.Fprintf(w, "sync\t%s\n", durability(r.Jethook.Sync, r.InMemory))
	r.writeMachine(w)
}

func (f *IngestFigures) write(w io.Writer, name string) {
	if f.Sync != "" {
		name += ", sync " + f.Sync
	}
	fmt.Fprintf(w, "%s\t%.0f\t%s\t%d\t%d\n", name, f.RequestsPerSecond, f.cells(), f.Requests, f.Errors)
}

func (l *Latency) cells() string {
	return fmt.Sprintf("%.2f\t%.2f\t%.2f\t%.2f", l.P50, l.P90, l.P99, l.Max)
}

func (m *Machine) writeMachine(w io.Writer) {
	fmt.Fprintf(w, "machine\t%s/%s, %s, GOMAXPROCS %d\n", m.OS, m.Arch, count(m.CPUs, "core"), m.GOMAXPROCS)
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

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// printable keeps what a server answered from reaching the terminal as control characters, or as further cells.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, s)
}
