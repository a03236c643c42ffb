package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"jethook/consume/admin"
	"jethook/consume/endpoint"
)

const endpointsPath = "/api/v1/endpoints"

func endpointPath(id string) string { return endpointsPath + "/" + url.PathEscape(id) }

func endpointCommand() *cobra.Command {
	return clientGroup("endpoint", "Manage the endpoints that events are delivered to",
		endpointAddCommand(), endpointListCommand(), endpointShowCommand(), endpointRemoveCommand(),
		endpointSwitchCommand("enable", "Deliver to an endpoint again, first what waited for that"),
		endpointSwitchCommand("disable", "Stop delivering to an endpoint; what waits stays"),
		endpointRecoverCommand(),
	)
}

func endpointAddCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "add --name NAME --url URL --events PATTERN,...", Short: "Add an endpoint",
		Long: "Add an endpoint and print its id and its secret. The secret is never shown again.",
		Example: `  jethook endpoint add --name billing --url https://example.com/hook --events 'events.order.*,webhooks.polar.>'
  jethook endpoint add --name alerts --url https://hooks.slack.com/services/... --events 'jethook.ops.>'
  jethook endpoint add --name old --url https://example.com/old --events 'events.>' \
    --signature hmac --signature-header X-Signature --header X-Team=shop --retry-schedule 1m,5m`,
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			fields, err := endpointFields(cmd)
			if err != nil {
				return err
			}
			return call(cmd, http.MethodPost, endpointsPath, fields, func(w io.Writer, e *admin.CreatedEndpoint) {
				row(w, "id:", e.ID)
				row(w, "secret:", e.Secret)
				row(w, "Keep the secret: it is not shown again.")
			})
		},
	}
	f := cmd.Flags()
	f.String("name", "", "its name, for people")
	f.String("url", "", "where deliveries are sent")
	f.StringSlice("events", nil, "NATS subject patterns of what it gets, comma-separated")
	f.String("secret", "", "signs deliveries; made unless given")
	f.String("format", "", "raw, slack or discord (default what the URL's service takes)")
	f.String("signature", "", "how deliveries are signed: standard, hmac or bearer (default standard)")
	f.String("signature-header", "", "hmac: the header of the signature; bearer: one for the time")
	f.StringArray("header", nil, "sent with every delivery, as NAME=VALUE; may be repeated")
	f.StringSlice("retry-schedule", nil, "pauses between attempts, such as 5m,30m, or none (default JETHOOK_RETRY_SCHEDULE)")
	f.String("timeout", "", "of one attempt (default JETHOOK_DELIVERY_TIMEOUT)")
	f.Int("concurrency", 0, "most requests at once from one process (default 64)")
	f.String("rate-limit", "", "most requests in a time from one process, such as 10/s or 600/m")
	f.Bool("ordered", false, "one delivery at a time, in the order of the stream; can't be changed later")
	f.Bool("disabled", false, "deliver nothing until it is enabled")
	return cmd
}

// endpointFields reads the flags of a new endpoint. Only those that are given are sent, so that the API's
// defaults hold for the others; what the values mean is the API's to check.
func endpointFields(cmd *cobra.Command) (*admin.EndpointFields, error) {
	f := cmd.Flags()
	for _, name := range []string{"name", "url", "events"} {
		if !f.Changed(name) {
			return nil, usageError{fmt.Errorf("--%s must be given", name)}
		}
	}
	text := func(name string) *string {
		if !f.Changed(name) {
			return nil
		}
		value := f.Lookup(name).Value.String()
		return &value
	}
	fields := &admin.EndpointFields{
		Name: text("name"), URL: text("url"), Secret: text("secret"), Format: text("format"), Timeout: text("timeout"),
		RateLimit: text("rate-limit"),
	}
	var err error
	if fields.Events, err = f.GetStringSlice("events"); err != nil {
		return nil, err
	}
	if f.Changed("signature") || f.Changed("signature-header") {
		fields.Signature = &endpoint.SignatureSpec{
			Scheme: f.Lookup("signature").Value.String(), Header: f.Lookup("signature-header").Value.String(),
		}
	}
	if f.Changed("retry-schedule") {
		if fields.RetrySchedule, err = f.GetStringSlice("retry-schedule"); err != nil {
			return nil, err
		}
		if slices.Equal(fields.RetrySchedule, []string{"none"}) {
			fields.RetrySchedule = []string{}
		}
	}
	if f.Changed("concurrency") {
		n, err := f.GetInt("concurrency")
		if err != nil {
			return nil, err
		}
		fields.Concurrency = &n
	}
	for name, field := range map[string]**bool{"ordered": &fields.Ordered, "disabled": &fields.Disabled} {
		if !f.Changed(name) {
			continue
		}
		value, err := f.GetBool(name)
		if err != nil {
			return nil, err
		}
		*field = &value
	}
	fields.Headers, err = headerFlags(cmd)
	return fields, err
}

func headerFlags(cmd *cobra.Command) (map[string]string, error) {
	given, err := cmd.Flags().GetStringArray("header")
	if err != nil || len(given) == 0 {
		return nil, err
	}
	headers := make(map[string]string, len(given))
	for _, h := range given {
		name, value, ok := strings.Cut(h, "=")
		if !ok {
			return nil, usageError{errors.New("--header must be NAME=VALUE")} // the text may hold a credential
		}
		headers[name] = value
	}
	return headers, nil
}

func endpointListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "ls", Short: "List endpoints, the oldest first",
		Example: "  jethook endpoint ls\n  jethook endpoint ls --json | jq -r '.items[].url'",
		Args:    exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var cursor string
			err := call(cmd, http.MethodGet, endpointsPath+query(cmd), nil, func(w io.Writer, page *admin.EndpointPage) {
				row(w, "ID", "NAME", "STATE", "EVENTS", "URL")
				for i := range page.Items {
					e := &page.Items[i]
					row(w, e.ID, e.Name, stateOf(e), strings.Join(e.Events, ","), e.URL)
				}
				cursor = page.NextCursor
			})
			more(cmd, cursor)
			return err
		},
	}
	addFilters(cmd, "limit", "cursor")
	return cmd
}

func stateOf(e *endpoint.Endpoint) string {
	switch {
	case e.Disabled:
		return "disabled"
	case !e.FailingSince.IsZero():
		return "failing"
	default:
		return "enabled"
	}
}

func endpointShowCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show an endpoint",
		Example: "  jethook endpoint show ep_...",
		Args:    exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return call(cmd, http.MethodGet, endpointPath(args[0]), nil, showEndpoint)
		},
	}
}

// showEndpoint writes one line for each field that is set.
func showEndpoint(w io.Writer, e *endpoint.Endpoint) {
	line := func(name string, value any, set bool) {
		if set {
			row(w, name+":", value)
		}
	}
	line("id", e.ID, true)
	line("name", e.Name, true)
	line("url", e.URL, true)
	line("events", strings.Join(e.Events, ", "), true)
	line("state", stateOf(e), true)
	line("disabled because", e.DisabledReason, e.DisabledReason != "")
	line("failing since", e.FailingSince.Format(time.RFC3339), !e.FailingSince.IsZero())
	line("format", e.Format, true)
	line("signature", e.Signature.Scheme, true)
	line("signature header", e.Signature.Header, e.Signature.Header != "")
	line("headers", e.Headers, len(e.Headers) > 0)
	line("retry schedule", e.RetrySchedule, e.RetrySchedule != nil)
	line("timeout", e.Timeout, e.Timeout != 0)
	line("rate limit", e.RateLimit, e.RateLimit != nil)
	line("concurrency", e.Concurrency, e.Concurrency != 0)
	line("ordered", e.Ordered, e.Ordered)
	line("created", e.CreatedAt.Format(time.RFC3339), true)
	line("updated", e.UpdatedAt.Format(time.RFC3339), true)
}

func endpointRemoveCommand() *cobra.Command {
	return &cobra.Command{
		Use: "rm ID", Short: "Remove an endpoint, with what waits for it and its dead letters",
		Example: "  jethook endpoint rm ep_...",
		Args:    exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return call(cmd, http.MethodDelete, endpointPath(args[0]), nil, func(w io.Writer, _ *struct{}) {
				row(w, args[0]+" is removed")
			})
		},
	}
}

func endpointSwitchCommand(verb, short string) *cobra.Command {
	return &cobra.Command{
		Use: verb + " ID", Short: short,
		Example: "  jethook endpoint " + verb + " ep_...",
		Args:    exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return call(cmd, http.MethodPost, endpointPath(args[0])+"/"+verb, nil, func(w io.Writer, e *endpoint.Endpoint) {
				row(w, e.ID+" is "+stateOf(e))
			})
		},
	}
}
