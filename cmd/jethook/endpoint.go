package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
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
		endpointAddCommand(), endpointListCommand(), endpointShowCommand(), endpointUpdateCommand(), endpointRemoveCommand(),
		endpointTestCommand(), endpointPreviewCommand(), endpointApplyCommand(), endpointExportCommand(),
		endpointEnableCommand(), endpointDisableCommand(),
		endpointRotateCommand(), endpointSecretCommand(),
		endpointRecoverCommand(),
	)
}

func endpointAddCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "add --name NAME --url URL --events PATTERN,...", Short: "Add an endpoint",
		Long: "Add an endpoint and print its id and its secret, which is made unless --secret-file gives one. 'jethook endpoint secret' reveals it later.",
		Example: `  jethook endpoint add --name billing --url https://example.com/hook --events 'events.order.*,webhooks.polar.>'
  jethook endpoint add --name alerts --url https://hooks.slack.com/services/... --events 'jethook.ops.>'
  jethook endpoint add --name old --url https://example.com/old --events 'events.>' \
    --signature hmac --signature-header X-Signature --header X-Team=shop --retry-schedule 1m,5m
  jethook endpoint add --name deploy --url https://example.com/github --events 'events.push' --signature-like github --secret-file key`,
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, name := range []string{"name", "url", "events"} {
				if !cmd.Flags().Changed(name) {
					return usageError{fmt.Errorf("--%s must be given", name)}
				}
			}
			fields, err := endpointFields(cmd)
			if err != nil {
				return err
			}
			return call(cmd, http.MethodPost, endpointsPath, fields, showSecret(cmd))
		},
	}
	addEndpointFlags(cmd)
	return cmd
}

// showSecret shows an endpoint's new secret and what it signs with.
func showSecret(cmd *cobra.Command) func(io.Writer, *admin.EndpointWithSecret) {
	return func(w io.Writer, e *admin.EndpointWithSecret) {
		row(w, "id:", e.ID)
		row(w, "secret:", e.Secret)
		row(w, "signs with:", e.SignsWith)
		for _, warning := range e.Warnings {
			fmt.Fprintln(cmd.ErrOrStderr(), "Warning: "+strings.ReplaceAll(warning, "secret_type ", "--secret-type "))
		}
	}
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
	line("disabled since", e.DisabledAt.Format(time.RFC3339), !e.DisabledAt.IsZero())
	line("disabled because", e.DisabledReason, e.DisabledReason != "")
	line("failing since", e.FailingSince.Format(time.RFC3339), !e.FailingSince.IsZero())
	line("format", e.Format, true)
	showSignature(line, "signature", &e.Signature)
	if e.Second != nil {
		showSignature(line, "second signature", e.Second)
	}
	line("headers", e.Headers, len(e.Headers) > 0)
	line("retry schedule", e.RetrySchedule, e.RetrySchedule != nil)
	line("timeout", e.Timeout, e.Timeout != 0)
	line("rate limit", e.RateLimit, e.RateLimit != nil)
	line("concurrency", e.Concurrency, e.Concurrency != 0)
	line("ordered", e.Ordered, e.Ordered)
	line("created", e.CreatedAt.Format(time.RFC3339), true)
	line("updated", e.UpdatedAt.Format(time.RFC3339), true)
}

func showSignature(line func(name string, value any, set bool), name string, s *endpoint.Signature) {
	line(name, s.Scheme, true)
	for _, field := range [][2]string{
		{"header", s.Header},
		{"algorithm", s.Algorithm},
		{"encoding", s.Encoding},
		{"prefix", s.Prefix},
		{"template", s.Template},
		{"signed", s.Signed},
		{"timestamp", s.Timestamp},
	} {
		line(name+" "+field[0], field[1], field[1] != "")
	}
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

func endpointEnableCommand() *cobra.Command {
	var r admin.EnableRequest
	cmd := &cobra.Command{
		Use: "enable ID", Short: "Deliver to an endpoint again, first what waited for that",
		Long: "Deliver to an endpoint again. One that Jethook disabled goes on where it stopped: it gets all that came meanwhile, the oldest first. " +
			"One that was disabled on request gets what waited for it before, and then new events; --from asks for what passed it by since " +
			"it was disabled, or since a time after that.",
		Example: `  jethook endpoint enable ep_...
  jethook endpoint enable ep_... --from disabled
  jethook endpoint enable ep_... --from 2026-01-02T15:04:05Z`,
		Args: exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error { return switchEndpoint(cmd, args[0], "enable", &r) },
	}
	cmd.Flags().StringVar(&r.From, "from", "",
		"also what passed it by since it was disabled (disabled), since a time (RFC 3339), or of so long, such as 24h (default none of it)")
	return cmd
}

func endpointDisableCommand() *cobra.Command {
	return &cobra.Command{
		Use: "disable ID", Short: "Stop delivering to an endpoint; what waits stays",
		Long: "Stop delivering to an endpoint. What waits for it stays until it is enabled. What comes meanwhile passes it by, unless it is ordered: " +
			"'jethook endpoint enable --from disabled' delivers that too, as far as it is still stored.",
		Example: "  jethook endpoint disable ep_...",
		Args:    exactArgs("ID"),
		RunE:    func(cmd *cobra.Command, args []string) error { return switchEndpoint(cmd, args[0], "disable", nil) },
	}
}

func switchEndpoint(cmd *cobra.Command, id, verb string, body any) error {
	return call(cmd, http.MethodPost, endpointPath(id)+"/"+verb, body, func(w io.Writer, e *endpoint.Endpoint) {
		row(w, e.ID+" is "+stateOf(e))
	})
}
