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

	"jethook/consume/admin"
	"jethook/consume/history"
)

func attemptCommand() *cobra.Command {
	return clientGroup("attempt", "List the history of delivery attempts", attemptListCommand())
}

func attemptListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "ls", Short: "List attempts, newest first",
		Long: "List attempts, and when each endpoint's circuit opened and closed, newest first. With --json, the output includes " +
			"each request and response.",
		Example: `  jethook attempt ls --endpoint ep_... --outcome failed --since 1h
  jethook attempt ls --code 429
  jethook attempt ls --event evt_... --json`,
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var cursor string
			err := call(cmd, http.MethodGet, "/api/v1/attempts"+query(cmd), nil, func(w io.Writer, page *admin.AttemptPage) {
				attemptRows(w, page.Items, endpointNames(cmd))
				cursor = page.NextCursor
			})
			more(cmd, cursor)
			return err
		},
	}
	addFilters(cmd, "endpoint", "delivery", "event", "outcome", "class", "code", "type", "since", "until", "limit", "cursor")
	return cmd
}

func attemptRows(w io.Writer, attempts []history.Attempt, name func(endpoint string) string) {
	row(w, "TIME", "DELIVERY", "ENDPOINT", "TYPE", "ATTEMPT", "OUTCOME", "CLASS", "CODE", "DURATION", "ERROR")
	for i := range attempts {
		a := &attempts[i]
		about := a.Delivery
		if about == "" {
			about = a.Endpoint
		}
		row(w, stamp(&a.Time), about, name(a.Endpoint), orDash(a.Type), orDash(a.Attempt), a.Outcome, a.Class, orDash(a.Status), duration(a), orDash(a.Error))
	}
}

func duration(a *history.Attempt) string {
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
		Long:    "Show a delivery's state, its attempts that are still in the history, and the latest request and response.",
		Example: "  jethook delivery show ep_...events:evt_...",
		Args:    exactArgs("ID"),

		ValidArgsFunction: firstArg(completeList("/api/v1/deliveries")),
		RunE: func(cmd *cobra.Command, args []string) error {
			path, name := "/api/v1/deliveries/"+url.PathEscape(args[0]), endpointNames(cmd)
			return call(cmd, http.MethodGet, path, nil, func(w io.Writer, d *admin.DeliveryReport) {
				row(w, "id:", d.ID)
				row(w, "endpoint:", d.Endpoint+" ("+name(d.Endpoint)+")")
				row(w, "event:", d.EventID+" on "+d.Subject)
				row(w, "status:", fmt.Sprintf("%s since %s", d.Status, stamp(&d.At)))
				row(w, "next attempt:", stamp(d.Next))
				row(w, "reason:", reason(&d.Delivery))
				row(w, "attempts:", d.Attempts)
				if len(d.History) > 0 {
					row(w)
					attemptRows(w, d.History, name)
					exchange(w, &d.History[0])
				}
			})
		},
	}
}

// exchange writes the request and the response of an attempt.
func exchange(w io.Writer, a *history.Attempt) {
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
