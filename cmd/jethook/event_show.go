package main

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"jethook/consume/admin"
)

func eventListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "ls", Short: "List stored events, newest first",
		Example: `  jethook event ls --subject 'webhooks.polar.>' --since 1h
  jethook event ls --until 2026-01-02T15:04:05Z --limit 10 --json`,
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var cursor string
			err := call(cmd, http.MethodGet, "/api/v1/events"+query(cmd), nil, func(w io.Writer, page *admin.EventPage) {
				row(w, "ID", "SUBJECT", "RECEIVED", "SIZE", "PLACE")
				for i := range page.Items {
					e := &page.Items[i]
					row(w, e.ID, e.Subject, stamp(&e.Received), e.Size, place(e.Stream, e.Sequence))
				}
				cursor = page.NextCursor
			})
			more(cmd, cursor)
			return err
		},
	}
	addFilters(cmd, "subject", "since", "until", "limit", "cursor")
	return cmd
}

// place is an id of an event that needs no search.
func place(stream string, sequence uint64) string { return fmt.Sprintf("%s-%d", stream, sequence) }

func eventShowCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "show ID", Short: "Show an event, its deliveries and its attempts",
		Long: "Show an event with its body, headers, deliveries, and attempts. " +
			"ID is the event's id, or its position as 'jethook event ls' prints it. Jethook searches for an id backward from the newest event for " +
			"a few seconds; narrow the search with --subject, --since, and --until, or pass the position, which needs no search.",
		Example: `  jethook event show evt_...
  jethook event show order-7 --subject 'events.order.*' --until 24h
  jethook event show WEBHOOKS-1234 --json`,
		Args: exactArgs("ID"), ValidArgsFunction: firstArg(completeList("/api/v1/events")),
		RunE: func(cmd *cobra.Command, args []string) error {
			path := "/api/v1/events/" + url.PathEscape(args[0]) + query(cmd)
			return call(cmd, http.MethodGet, path, nil, func(w io.Writer, e *admin.EventDetail) { showEvent(w, e, endpointNames(cmd)) })
		},
	}
	addFilters(cmd, "subject", "since", "until")
	return cmd
}

func showEvent(w io.Writer, e *admin.EventDetail, name func(endpoint string) string) {
	row(w, "id:", e.ID)
	row(w, "type:", e.Type)
	row(w, "subject:", e.Subject)
	row(w, "received:", stamp(&e.Received))
	row(w, "place:", place(e.Stream, e.Sequence))
	row(w, "size:", e.Size)
	for _, name := range slices.Sorted(maps.Keys(e.Headers)) {
		row(w, "header:", name+": "+strings.Join(e.Headers[name], ", "))
	}
	for _, subject := range e.Others {
		row(w, "also on:", subject)
	}
	showBody(w, &e.EventBody, "GET /api/v1/events/ID/body returns all of it")
	row(w, "")
	row(w, "ENDPOINT", "NAME", "STATUS", "ATTEMPTS", "AT", "NEXT", "REASON")
	for i := range e.Deliveries {
		d := &e.Deliveries[i]
		row(w, d.Endpoint, name(d.Endpoint), d.Status, d.Attempts, stamp(&d.At), stamp(d.Next), reason(d))
	}
	row(w, "")
	row(w, "TIME", "ENDPOINT", "NAME", "ATTEMPT", "OUTCOME", "CODE", "DURATION", "ERROR")
	for i := range e.Attempts {
		a := &e.Attempts[i]
		row(w, stamp(&a.Time), a.Endpoint, name(a.Endpoint), orDash(a.Attempt), a.Outcome, orDash(a.Status), duration(a), orDash(a.Error))
	}
	if e.Incomplete {
		row(w, "There may be more: Jethook could not read all of the history in time.")
	}
}

// showBody shows a body, and says where there is more of one that is cut.
func showBody(w io.Writer, b *admin.EventBody, whole string) {
	switch {
	case b.Base64 != "":
		row(w, "body:", "(not text; --json shows it)")
	default:
		for _, line := range strings.Split(strings.TrimRight(b.Text, "\n"), "\n") {
			row(w, "body:", line)
		}
	}
	if b.Truncated {
		row(w, "body:", "(truncated; "+whole+")")
	}
}

func eventMatchCommand() *cobra.Command {
	return &cobra.Command{
		Use: "match SUBJECT", Short: "List the endpoints that would get an event",
		Long:    "List the endpoints that would get an event on a subject, including disabled ones that match.",
		Example: "  jethook event match events.order.created",
		Args:    exactArgs("SUBJECT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			path := "/api/v1/match?" + url.Values{"subject": args}.Encode()
			return call(cmd, http.MethodGet, path, nil, func(w io.Writer, page *admin.MatchPage) {
				row(w, "ENDPOINT", "NAME", "GETS IT", "BY", "URL")
				for _, m := range page.Items {
					row(w, m.Endpoint, m.Name, gets(&m), strings.Join(m.Events, " "), m.URL)
				}
			})
		},
	}
}

// gets says whether an endpoint would get an event that it subscribed to.
func gets(m *admin.Match) string {
	switch {
	case !m.Disabled:
		return "yes"
	case m.Waits:
		return "when enabled: " + m.DisabledReason
	default:
		return "no: " + m.DisabledReason
	}
}
