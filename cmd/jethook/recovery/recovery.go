// Package recovery is the commands that redeliver what an endpoint failed or missed: they start, follow and cancel the job,
// which the server does.
package recovery

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"jethook/cmd/jethook/cli"
	"jethook/cmd/jethook/client"
	"jethook/consume/admin/recoveries"
	"jethook/consume/recovery"
)

// lookAtRecovery is how often the command asks how far a recovery is.
const lookAtRecovery = 500 * time.Millisecond

// StartCommand returns jethook endpoint recover, which starts a recovery and follows it until it ends.
func StartCommand() *cobra.Command {
	var noWait bool
	var r recoveries.RecoverRequest
	cmd := client.TakesEndpoint(&cobra.Command{
		Use: "recover ENDPOINT", Short: "Redeliver events that an endpoint failed or missed",
		Long: "Redeliver the events of a period, by default all stored events, that an endpoint failed or missed. Dead letters are replayed, " +
			"waiting retries are attempted now, and matching events without a delivery are sent. Events that the history shows as delivered are not sent " +
			"again.\n\nThe server does the work at the endpoint's pace, and continues after a restart; the command shows the progress. " +
			"After Ctrl-C the recovery keeps running: see 'jethook recovery ls'.",
		Example: `  jethook endpoint recover billing --since 24h --dry-run
  jethook endpoint recover ep_... --since 2026-01-02T15:04:05Z --until 1h
  jethook endpoint recover ep_... --missing --no-wait`,
	}, func(cmd *cobra.Command, id string) error {
		rec, err := client.AskFor[recovery.Recovery](cmd, http.MethodPost, client.EndpointPath(id)+"/recover", &r)
		switch {
		case err != nil:
			return err
		case rec.DryRun:
			return client.Show(cmd, &rec, func(w io.Writer) { countRows(w, &rec) })
		case noWait:
			return client.Show(cmd, &rec, func(w io.Writer) { cli.Row(w, "recovery:", rec.ID) })
		}
		return await(cmd, rec)
	})
	f := cmd.Flags()
	f.StringVar(&r.Since, "since", "", "only events since a time (RFC 3339), or from the last period, such as 24h (default: all stored events)")
	f.StringVar(&r.Until, "until", "", "only events before a time (RFC 3339), or older than a period, such as 1h (default: now)")
	f.BoolVar(&r.Missing, "missing", false, "include events from before the endpoint was created")
	f.BoolVar(&r.DryRun, "dry-run", false, "only count what would be redelivered")
	f.BoolVar(&noWait, "no-wait", false, "don't wait for the recovery to finish")
	return cmd
}

func countRows(w io.Writer, rec *recovery.Recovery) {
	cli.Row(w, "dead:", rec.Counts.Dead)
	cli.Row(w, "waiting:", rec.Counts.Waiting)
	cli.Row(w, "missed:", rec.Counts.Missed)
	if rec.Gone > 0 {
		cli.Row(w, "expired:", rec.Gone, "removed by retention while they waited")
	}
}

func pathOf(id string) string { return "/api/v1/recoveries/" + url.PathEscape(id) }

// await shows how far a recovery is, until it ends: on one line of a terminal, or else on a line for each
// change.
func await(cmd *cobra.Command, rec recovery.Recovery) error {
	progress := cli.NewProgressLine(cmd.ErrOrStderr())
	t := time.NewTicker(lookAtRecovery)
	defer t.Stop()
	for rec.State == recovery.Running {
		progress.Show(line(&rec))
		select {
		case <-t.C:
		case <-cmd.Context().Done():
			progress.End()
			return fmt.Errorf("recovery %s continues on the server: %w", rec.ID, context.Canceled)
		}
		var err error
		if rec, err = client.AskFor[recovery.Recovery](cmd, http.MethodGet, pathOf(rec.ID), nil); err != nil {
			progress.End()
			return err
		}
	}
	progress.Show(line(&rec))
	progress.End()
	err := client.Show(cmd, &rec, func(w io.Writer) {
		cli.Row(w, "state:", rec.State)
		countRows(w, &rec)
	})
	if err == nil && rec.State != recovery.Done {
		err = fmt.Errorf("recovery %s is %s: %s", rec.ID, rec.State, rec.Error)
	}
	return err
}

func line(rec *recovery.Recovery) string {
	c := &rec.Counts
	return fmt.Sprintf("%s %s, phase %s: dead %d, waiting %d, missed %d", rec.ID, rec.State, rec.Phase, c.Dead, c.Waiting, c.Missed)
}

// Command returns jethook recovery with its verbs.
func Command() *cobra.Command {
	return client.Group("recovery", "List and cancel recoveries started by 'jethook endpoint recover'",
		listCommand(), showCommand(), cancelCommand())
}

func listCommand() *cobra.Command {
	return &cobra.Command{
		Use: "ls", Short: "List recoveries, newest first",
		Example: "  jethook recovery ls",
		Args:    cli.ExactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return client.Call(cmd, http.MethodGet, "/api/v1/recoveries", nil, func(w io.Writer, page *recoveries.RecoveryPage) {
				name := client.EndpointNames(cmd)
				cli.Row(w, "ID", "ENDPOINT", "NAME", "STATE", "PHASE", "DEAD", "WAITING", "MISSED", "STARTED", "FINISHED")
				for i := range page.Items {
					r := &page.Items[i]
					cli.Row(w, r.ID, r.Endpoint, name(r.Endpoint), r.State, r.Phase, r.Counts.Dead, r.Counts.Waiting, r.Counts.Missed, cli.Stamp(&r.Started), cli.Stamp(&r.Finished))
				}
			})
		},
	}
}

func showCommand() *cobra.Command {
	var follow bool
	cmd := &cobra.Command{
		Use: "show ID", Short: "Show a recovery",
		Example: "  jethook recovery show rec_... --follow",
		Args:    cli.ExactArgs("ID"), ValidArgsFunction: client.FirstArg(client.CompleteList("/api/v1/recoveries")),
		RunE: func(cmd *cobra.Command, args []string) error {
			rec, err := client.AskFor[recovery.Recovery](cmd, http.MethodGet, pathOf(args[0]), nil)
			if err != nil {
				return err
			}
			if follow {
				return await(cmd, rec)
			}
			return client.Show(cmd, &rec, func(w io.Writer) { rows(w, &rec, client.EndpointNames(cmd)) })
		},
	}
	cmd.Flags().BoolVar(&follow, "follow", false, "wait until it finishes")
	return cmd
}

func rows(w io.Writer, rec *recovery.Recovery, name func(endpoint string) string) {
	cli.Row(w, "id:", rec.ID)
	cli.Row(w, "endpoint:", rec.Endpoint+" ("+name(rec.Endpoint)+")")
	cli.Row(w, "since:", cli.Stamp(&rec.Since))
	cli.Row(w, "until:", cli.Stamp(&rec.Until))
	cli.Row(w, "missing:", rec.Missing)
	cli.Row(w, "state:", rec.State)
	cli.Row(w, "phase:", rec.Phase)
	countRows(w, rec)
	cli.Row(w, "started:", cli.Stamp(&rec.Started))
	cli.Row(w, "finished:", cli.Stamp(&rec.Finished))
	if rec.Error != "" {
		cli.Row(w, "because:", rec.Error)
	}
}

func cancelCommand() *cobra.Command {
	return &cobra.Command{
		Use: "cancel ID", Short: "Cancel a recovery; deliveries that it already scheduled continue",
		Example: "  jethook recovery cancel rec_...",
		Args:    cli.ExactArgs("ID"), ValidArgsFunction: client.FirstArg(client.CompleteList("/api/v1/recoveries")),
		RunE: func(cmd *cobra.Command, args []string) error {
			return client.Call(cmd, http.MethodDelete, pathOf(args[0]), nil, func(w io.Writer, rec *recovery.Recovery) {
				cli.Row(w, rec.ID+" is "+string(rec.State))
			})
		},
	}
}
