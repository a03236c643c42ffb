package client

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"jethook/cmd/jethook/cli"
	"jethook/consume/admin/message"
	"jethook/consume/deliveries"
	"jethook/consume/history"
)

// Reason says in one cell why a delivery is not delivered.
func Reason(d *deliveries.Delivery) string {
	switch {
	case d.Reason != "":
		return d.Reason
	case d.Waits != "":
		return "waiting for: " + d.Waits
	default:
		return "-"
	}
}

// Took says in one cell how long an attempt took.
func Took(a *history.Attempt) string {
	return time.Duration(a.DurationMS * float64(time.Millisecond)).Round(100 * time.Microsecond).String()
}

// Refusals lists in one cell how many requests were refused, the most frequent reason first.
func Refusals(by map[string]uint64) string {
	if len(by) == 0 {
		return "-"
	}
	reasons := slices.SortedFunc(maps.Keys(by), func(a, b string) int {
		if by[a] != by[b] {
			return int(min(by[b], 1<<30)) - int(min(by[a], 1<<30))
		}
		return strings.Compare(a, b)
	})
	parts := make([]string, len(reasons))
	for i, reason := range reasons {
		parts[i] = fmt.Sprint(by[reason], " ", reason)
	}
	return strings.Join(parts, ", ")
}

// ShowBody writes a row for each line of a body. If the API cut the body, the last row says where to get all of it.
func ShowBody(w io.Writer, b *message.EventBody, whole string) {
	switch {
	case b.Base64 != "":
		cli.Row(w, "body:", "(not text; --json shows it)")
	default:
		for _, line := range strings.Split(strings.TrimRight(b.Text, "\n"), "\n") {
			cli.Row(w, "body:", line)
		}
	}
	if b.Truncated {
		cli.Row(w, "body:", "(truncated; "+whole+")")
	}
}
