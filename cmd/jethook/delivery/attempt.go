package delivery

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"jethook/cmd/jethook/cli"
	"jethook/cmd/jethook/client"
	"jethook/consume/admin/deliveries"
	"jethook/consume/history"
)

// AttemptCommand returns jethook attempt with its verb.
func AttemptCommand() *cobra.Command {
	return client.Group("attempt", "List the history of delivery attempts", attemptListCommand())
}

func attemptListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "ls", Short: "List attempts, newest first",
		Long: "List attempts, and when each endpoint's circuit opened and closed, newest first. With --json, the output includes " +
			"each request and response.",
		Example: `  jethook attempt ls --endpoint ep_... --outcome failed --since 1h
  jethook attempt ls --code 429
  jethook attempt ls --event evt_... --json`,
		Args: cli.ExactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return client.List(cmd, "/api/v1/attempts"+client.Query(cmd), func(w io.Writer, page *deliveries.AttemptPage) string {
				attemptRows(w, page.Items, client.EndpointNames(cmd))
				return page.NextCursor
			})
		},
	}
	client.AddFilters(cmd, "endpoint", "delivery", "event", "outcome", "class", "code", "type", "since", "until", "limit", "cursor")
	return cmd
}

func attemptRows(w io.Writer, attempts []history.Attempt, name func(endpoint string) string) {
	cli.Row(w, "TIME", "DELIVERY", "ENDPOINT", "TYPE", "ATTEMPT", "OUTCOME", "CLASS", "CODE", "DURATION", "ERROR")
	for i := range attempts {
		a := &attempts[i]
		about := a.Delivery
		if about == "" {
			about = a.Endpoint
		}
		cli.Row(w, cli.Stamp(&a.Time), about, name(a.Endpoint), cli.OrDash(a.Type), cli.OrDash(a.Attempt), a.Outcome, a.Class, cli.OrDash(a.Status), client.Took(a), cli.OrDash(a.Error))
	}
}

func showCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show a delivery with its attempts",
		Long:    "Show a delivery's state, its attempts that are still in the history, and the latest request and response.",
		Example: "  jethook delivery show ep_...events:evt_...",
		Args:    cli.ExactArgs("ID"),

		ValidArgsFunction: client.FirstArg(client.CompleteList("/api/v1/deliveries")),
		RunE: func(cmd *cobra.Command, args []string) error {
			path, name := "/api/v1/deliveries/"+url.PathEscape(args[0]), client.EndpointNames(cmd)
			return client.Call(cmd, http.MethodGet, path, nil, func(w io.Writer, d *deliveries.DeliveryReport) {
				cli.Row(w, "id:", d.ID)
				cli.Row(w, "endpoint:", d.Endpoint+" ("+name(d.Endpoint)+")")
				cli.Row(w, "event:", d.EventID+" on "+d.Subject)
				cli.Row(w, "status:", fmt.Sprintf("%s since %s", d.Status, cli.Stamp(&d.At)))
				cli.Row(w, "next attempt:", cli.Stamp(d.Next))
				cli.Row(w, "reason:", client.Reason(&d.Delivery))
				cli.Row(w, "attempts:", d.Attempts)
				if len(d.History) > 0 {
					cli.Row(w)
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
	cli.Row(w)
	cli.Row(w, "POST "+a.Request.URL)
	for _, name := range slices.Sorted(maps.Keys(a.Request.Headers)) {
		cli.Row(w, name+": "+a.Request.Headers[name])
	}
	if a.Response != "" {
		cli.Row(w)
		for text := range strings.Lines(a.Response) {
			cli.Row(w, strings.TrimRight(text, "\r\n"))
		}
	}
}
