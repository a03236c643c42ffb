package main

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"jethook/consume"
	"jethook/consume/admin"
)

func attemptCommand() *cobra.Command {
	return clientGroup("attempt", "See the history: every attempt at a delivery", attemptListCommand())
}

func attemptListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "ls", Short: "List attempts, newest first",
		Long: "List attempts, and the openings and closings of the endpoints' circuits, newest first. With --json it also shows " +
			"each request and response.",
		Example: `  jethook attempt ls --endpoint ep_... --outcome failed --since 1h
  jethook attempt ls --code 429
  jethook attempt ls --event evt_... --json`,
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var cursor string
			err := call(cmd, http.MethodGet, "/api/v1/attempts"+query(cmd), nil, func(w io.Writer, page *admin.AttemptPage) {
				attemptRows(w, page.Items)
				cursor = page.NextCursor
			})
			more(cmd, cursor)
			return err
		},
	}
	addFilters(cmd, "endpoint", "delivery", "event", "outcome", "class", "code", "type", "since", "until", "limit", "cursor")
	return cmd
}

func attemptRows(w io.Writer, attempts []consume.Attempt) {
	row(w, "TIME", "DELIVERY", "TYPE", "ATTEMPT", "OUTCOME", "CLASS", "CODE", "DURATION", "ERROR")
	for i := range attempts {
		a := &attempts[i]
		about := a.Delivery
		if about == "" {
			about = a.Endpoint
		}
		row(w, stamp(&a.Time), about, orDash(a.Type), orDash(a.Attempt), a.Outcome, a.Class, orDash(a.Status), duration(a), orDash(a.Error))
	}
}

func duration(a *consume.Attempt) string {
	return time.Duration(a.DurationMS * float64(time.Millisecond)).Round(100 * time.Microsecond).String()
}

// orDash shows that there is nothing where there is nothing.
func orDash[T comparable](v T) string {
	var nothing T
	if v == nothing {
		return "-"
	}
	return fmt.Sprint(v)
}

func deliveryShowCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show a delivery with its attempts",
		Long:    "Show a delivery's state, its attempts as far as the history has them, and the newest request and response.",
		Example: "  jethook delivery show ep_...events:evt_...",
		Args:    exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			path := "/api/v1/deliveries/" + url.PathEscape(args[0])
			return call(cmd, http.MethodGet, path, nil, func(w io.Writer, d *admin.DeliveryReport) {
				row(w, "id:", d.ID)
				row(w, "event:", d.EventID+" on "+d.Subject)
				row(w, "status:", fmt.Sprintf("%s since %s", d.Status, stamp(&d.At)))
				row(w, "next attempt:", stamp(d.Next))
				row(w, "reason:", reason(&d.Delivery))
				row(w, "attempts:", d.Attempts)
				if len(d.History) > 0 {
					row(w)
					attemptRows(w, d.History)
					exchange(w, &d.History[0])
				}
			})
		},
	}
}

// exchange writes the request and the response of an attempt.
func exchange(w io.Writer, a *consume.Attempt) {
	if a.Request == nil {
		return
	}
	row(w)
	row(w, "POST "+a.Request.URL)
	for _, name := range slices.Sorted(maps.Keys(a.Request.Headers)) {
		row(w, name+": "+a.Request.Headers[name])
	}
	if a.Response != "" {
		row(w)
		for text := range strings.Lines(a.Response) {
			row(w, strings.TrimRight(text, "\r\n"))
		}
	}
}
