package event

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
	"jethook/consume/admin/events"
)

func listCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "ls", Short: "List stored events, newest first",
		Example: `  jethook event ls --subject 'webhooks.polar.>' --since 1h
  jethook event ls --until 2026-01-02T15:04:05Z --limit 10 --json`,
		Args: cli.ExactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return client.List(cmd, "/api/v1/events"+client.Query(cmd), func(w io.Writer, page *events.EventPage) string {
				cli.Row(w, "ID", "SUBJECT", "RECEIVED", "SIZE", "PLACE")
				for i := range page.Items {
					e := &page.Items[i]
					cli.Row(w, e.ID, e.Subject, cli.Stamp(&e.Received), e.Size, place(e.Stream, e.Sequence))
				}
				return page.NextCursor
			})
		},
	}
	client.AddFilters(cmd, "subject", "since", "until", "limit", "cursor")
	return cmd
}

// place is an id of an event that needs no search.
func place(stream string, sequence uint64) string { return fmt.Sprintf("%s-%d", stream, sequence) }

func showCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "show ID", Short: "Show an event, its deliveries and its attempts",
		Long: "Show an event with its body, headers, deliveries, and attempts. " +
			"ID is the event's id, or its position as 'jethook event ls' prints it. Jethook searches for an id backward from the newest event for " +
			"a few seconds; narrow the search with --subject, --since, and --until, or pass the position, which needs no search.",
		Example: `  jethook event show evt_...
  jethook event show order-7 --subject 'events.order.*' --until 24h
  jethook event show WEBHOOKS-1234 --json`,
		Args: cli.ExactArgs("ID"), ValidArgsFunction: client.FirstArg(client.CompleteList("/api/v1/events")),
		RunE: func(cmd *cobra.Command, args []string) error {
			path := "/api/v1/events/" + url.PathEscape(args[0]) + client.Query(cmd)
			return client.Call(cmd, http.MethodGet, path, nil, func(w io.Writer, e *events.EventDetail) { showEvent(w, e, client.EndpointNames(cmd)) })
		},
	}
	client.AddFilters(cmd, "subject", "since", "until")
	return cmd
}

func showEvent(w io.Writer, e *events.EventDetail, name func(endpoint string) string) {
	cli.Row(w, "id:", e.ID)
	cli.Row(w, "type:", e.Type)
	cli.Row(w, "subject:", e.Subject)
	cli.Row(w, "received:", cli.Stamp(&e.Received))
	cli.Row(w, "place:", place(e.Stream, e.Sequence))
	cli.Row(w, "size:", e.Size)
	for _, name := range slices.Sorted(maps.Keys(e.Headers)) {
		cli.Row(w, "header:", name+": "+strings.Join(e.Headers[name], ", "))
	}
	for _, subject := range e.Others {
		cli.Row(w, "also on:", subject)
	}
	client.ShowBody(w, &e.EventBody, "GET /api/v1/events/ID/body returns all of it")
	cli.Row(w, "")
	cli.Row(w, "ENDPOINT", "NAME", "STATUS", "ATTEMPTS", "AT", "NEXT", "REASON")
	for i := range e.Deliveries {
		d := &e.Deliveries[i]
		cli.Row(w, d.Endpoint, name(d.Endpoint), d.Status, d.Attempts, cli.Stamp(&d.At), cli.Stamp(d.Next), client.Reason(d))
	}
	cli.Row(w, "")
	cli.Row(w, "TIME", "ENDPOINT", "NAME", "ATTEMPT", "OUTCOME", "CODE", "DURATION", "ERROR")
	for i := range e.Attempts {
		a := &e.Attempts[i]
		cli.Row(w, cli.Stamp(&a.Time), a.Endpoint, name(a.Endpoint), cli.OrDash(a.Attempt), a.Outcome, cli.OrDash(a.Status), client.Took(a), cli.OrDash(a.Error))
	}
	if e.Incomplete {
		cli.Row(w, "There may be more: Jethook could not read all of the history in time.")
	}
}

func matchCommand() *cobra.Command {
	return &cobra.Command{
		Use: "match SUBJECT", Short: "List the endpoints that would get an event",
		Long:    "List the endpoints that would get an event on a subject, including disabled ones that match.",
		Example: "  jethook event match events.order.created",
		Args:    cli.ExactArgs("SUBJECT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			path := "/api/v1/match?" + url.Values{"subject": args}.Encode()
			return client.Call(cmd, http.MethodGet, path, nil, func(w io.Writer, page *events.MatchPage) {
				cli.Row(w, "ENDPOINT", "NAME", "GETS IT", "BY", "URL")
				for _, m := range page.Items {
					cli.Row(w, m.Endpoint, m.Name, gets(&m), strings.Join(m.Events, " "), m.URL)
				}
			})
		},
	}
}

// gets says whether an endpoint would get an event that it subscribed to.
func gets(m *events.Match) string {
	switch {
	case !m.Disabled:
		return "yes"
	case m.Waits:
		return "when enabled: " + m.DisabledReason
	default:
		return "no: " + m.DisabledReason
	}
}
