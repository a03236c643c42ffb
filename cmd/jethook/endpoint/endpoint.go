// Package endpoint is the command jethook endpoint: it adds, changes, tries and removes endpoints, one at a time or all
// that a file holds. What a file says, and how it differs from what the server has, is the package manifest's.
package endpoint

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"jethook/cmd/jethook/cli"
	"jethook/cmd/jethook/client"
	"jethook/cmd/jethook/recovery"
	"jethook/consume/admin/endpoints"
	"jethook/consume/endpoint"
	"jethook/consume/endpoint/signing"
)

// Command returns jethook endpoint with its verbs.
func Command() *cobra.Command {
	return client.Group("endpoint", "Manage the endpoints that events are delivered to",
		addCommand(), listCommand(), showCommand(), updateCommand(), removeCommand(),
		testCommand(), previewCommand(), applyCommand(), exportCommand(),
		enableCommand(), disableCommand(),
		rotateCommand(), secretCommand(),
		recovery.StartCommand(),
	)
}

func addCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "add --name NAME --url URL --events PATTERN,...", Short: "Add an endpoint",
		Long: "Add an endpoint and print its id and secret. Jethook generates the secret unless you pass --secret-file; 'jethook endpoint secret' shows it again later.",
		Example: `  jethook endpoint add --name billing --url https://example.com/hook --events 'events.order.*,webhooks.polar.>'
  jethook endpoint add --name alerts --url https://hooks.slack.com/services/... --events 'jethook.ops.>'
  jethook endpoint add --name old --url https://example.com/old --events 'events.>' \
    --signature hmac --signature-header X-Signature --header X-Team=shop --retry-schedule 1m,5m
  jethook endpoint add --name deploy --url https://example.com/github --events 'events.push' --signature-like github --secret-file key`,
		Args: cli.ExactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, name := range []string{"name", "url", "events"} {
				if !cmd.Flags().Changed(name) {
					return cli.Usagef("missing --%s", name)
				}
			}
			fields, err := readFields(cmd)
			if err != nil {
				return err
			}
			if err := warnOfTwin(cmd, fields, ""); err != nil {
				return err
			}
			return client.Call(cmd, http.MethodPost, client.EndpointsPath, fields, showSecret(cmd))
		},
	}
	addFlags(cmd)
	return cmd
}

// showSecret shows an endpoint's new secret and what it signs with.
func showSecret(cmd *cobra.Command) func(io.Writer, *endpoints.EndpointWithSecret) {
	return func(w io.Writer, e *endpoints.EndpointWithSecret) {
		cli.Row(w, "id:", e.ID)
		cli.Row(w, "secret:", e.Secret)
		cli.Row(w, "signs with:", e.SignsWith)
		if e.Signature.Scheme != signing.SchemeStandard {
			showSignature(line(w), "signature", &e.Signature)
		}
		for _, warning := range e.Warnings {
			fmt.Fprintln(cmd.ErrOrStderr(), "Warning: "+strings.ReplaceAll(warning, "secret_type ", "--secret-type "))
		}
	}
}

func listCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "ls", Short: "List endpoints, oldest first",
		Example: "  jethook endpoint ls\n  jethook endpoint ls --json | jq -r '.items[].url'",
		Args:    cli.ExactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return client.List(cmd, client.EndpointsPath+client.Query(cmd), func(w io.Writer, page *endpoints.EndpointPage) string {
				cli.Row(w, "ID", "NAME", "STATE", "EVENTS", "URL")
				for i := range page.Items {
					e := &page.Items[i]
					cli.Row(w, e.ID, e.Name, stateOf(e), strings.Join(e.Events, ","), e.URL)
				}
				return page.NextCursor
			})
		},
	}
	client.AddFilters(cmd, "limit", "cursor")
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

func showCommand() *cobra.Command {
	return client.TakesEndpoint(&cobra.Command{
		Use: "show ENDPOINT", Short: "Show an endpoint",
		Example: "  jethook endpoint show billing\n  jethook endpoint show ep_... --json",
	}, func(cmd *cobra.Command, id string) error {
		return client.Call(cmd, http.MethodGet, client.EndpointPath(id), nil, showEndpoint)
	})
}

// showEndpoint writes one line for each field that is set.
func showEndpoint(w io.Writer, e *endpoint.Endpoint) {
	line := line(w)
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
	line("own ca", "yes", e.CA != "")
	line("client certificate", "yes", e.ClientCertificate != "")
	line("retry schedule", e.RetrySchedule, e.RetrySchedule != nil)
	line("timeout", e.Timeout, e.Timeout != 0)
	line("rate limit", e.RateLimit, e.RateLimit != nil)
	line("concurrency", e.Concurrency, e.Concurrency != 0)
	line("ordered", e.Ordered, e.Ordered)
	line("created", e.CreatedAt.Format(time.RFC3339), true)
	line("updated", e.UpdatedAt.Format(time.RFC3339), true)
}

// line returns what writes one field of an endpoint if it is set.
func line(w io.Writer) func(name string, value any, set bool) {
	return func(name string, value any, set bool) {
		if set {
			cli.Row(w, name+":", value)
		}
	}
}

func showSignature(line func(name string, value any, set bool), name string, s *signing.Signature) {
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

func removeCommand() *cobra.Command {
	var yes bool
	cmd := client.TakesEndpoint(&cobra.Command{
		Use: "rm ENDPOINT", Short: "Remove an endpoint, its waiting deliveries and its dead letters",
		Long:    "Remove an endpoint, its waiting deliveries and its dead letters. The command asks first.",
		Example: "  jethook endpoint rm billing\n  jethook endpoint rm ep_... --yes",
	}, func(cmd *cobra.Command, id string) error {
		if !yes {
			if err := confirmRemoval(cmd, id); err != nil {
				return err
			}
		}
		return client.Call(cmd, http.MethodDelete, client.EndpointPath(id), nil, func(w io.Writer, _ *struct{}) {
			cli.Row(w, id+" is removed")
		})
	})
	cmd.Flags().BoolVar(&yes, "yes", false, "don't ask")
	return cmd
}

// confirmRemoval asks before an endpoint is removed. One whose record can't be read has no name to ask by.
func confirmRemoval(cmd *cobra.Command, id string) error {
	who := id
	e, err := client.AskFor[endpoint.Endpoint](cmd, http.MethodGet, client.EndpointPath(id), nil)
	switch {
	case err == nil:
		who = cli.Printable(e.Name) + " (" + id + ")"
	case !client.RefusedWith(err, "unreadable"):
		return err
	}
	return cli.Confirm(cmd, "Remove "+who+", its waiting deliveries and its dead letters?")
}

func enableCommand() *cobra.Command {
	var r endpoints.EnableRequest
	cmd := client.TakesEndpoint(&cobra.Command{
		Use: "enable ENDPOINT", Short: "Deliver to an endpoint again, oldest waiting events first",
		Long: "Deliver to an endpoint again. If Jethook disabled it, delivery resumes where it stopped: the endpoint gets everything that has arrived " +
			"since, oldest first. If you disabled it, it gets the deliveries that were already waiting, and then new events. Pass --from to also " +
			"deliver the events it missed since it was disabled, or since a later time.",
		Example: `  jethook endpoint enable billing
  jethook endpoint enable billing --from disabled
  jethook endpoint enable ep_... --from 2026-01-02T15:04:05Z`,
	}, func(cmd *cobra.Command, id string) error {
		return switchEndpoint(cmd, id, "enable", &r)
	})
	cmd.Flags().StringVar(&r.From, "from", "",
		"also deliver events that it missed: since it was disabled (disabled), since a time (RFC 3339), or from the last period, such as 24h (default: none)")
	return cmd
}

func disableCommand() *cobra.Command {
	return client.TakesEndpoint(&cobra.Command{
		Use: "disable ENDPOINT", Short: "Stop delivering to an endpoint, and keep its waiting deliveries",
		Long: "Stop delivering to an endpoint. Its waiting deliveries are kept until you enable it. It misses events that arrive in the meantime, " +
			"unless it is ordered; 'jethook endpoint enable --from disabled' delivers those that are still stored.",
		Example: "  jethook endpoint disable billing",
	}, func(cmd *cobra.Command, id string) error {
		return switchEndpoint(cmd, id, "disable", nil)
	})
}

func switchEndpoint(cmd *cobra.Command, id, verb string, body any) error {
	return client.Call(cmd, http.MethodPost, client.EndpointPath(id)+"/"+verb, body, func(w io.Writer, e *endpoint.Endpoint) {
		cli.Row(w, e.ID+" is "+stateOf(e))
	})
}
