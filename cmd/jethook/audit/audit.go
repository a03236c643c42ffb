// Package audit is the command jethook audit: it lists what operators did, and verifies that nobody changed the list.
package audit

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"jethook/cmd/jethook/cli"
	"jethook/cmd/jethook/client"
	"jethook/consume/admin/auditing"
	"jethook/publish/audit"
)

// Command returns jethook audit with its verbs.
func Command() *cobra.Command {
	return client.Group("audit", "List and verify what operators did", listCommand(), verifyCommand())
}

func listCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "ls", Short: "List what operators did, newest first",
		Long: "List what operators did, newest first. An action has two entries: one before it happens, whose result is empty, and one after.",
		Example: "  jethook audit ls --since 24h --action endpoint\n" +
			"  jethook audit ls --actor ci --endpoint ep_...",
		Args: cli.ExactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var page auditing.AuditPage
			raw, err := client.Ask(cmd, http.MethodGet, "/api/v1/audit"+client.QueryOf(cmd, "since", "until", "actor", "action", "endpoint", "limit", "cursor"), nil, &page)
			if err != nil {
				return err
			}
			defer client.More(cmd, page.NextCursor)
			return client.Display(cmd, raw, func(w io.Writer) {
				cli.Row(w, "ID", "TIME", "ACTOR", "FROM", "ACTION", "TARGET", "FIELDS", "RESULT")
				for i := range page.Items {
					e := &page.Items[i]
					cli.Row(w, e.ID, cli.Stamp(&e.Time), e.Actor, e.Remote, e.Action, e.Target, strings.Join(e.Fields, ","), e.Result)
				}
			})
		},
	}
	client.AddFilters(cmd, "since", "until", "endpoint", "limit", "cursor")
	cmd.Flags().String("actor", "", "only by the token with this name")
	cmd.Flags().String("action", "", "only this action, such as endpoint.update, or all of a noun, such as endpoint")
	return cmd
}

// errBroken means that the audit trail is no unbroken chain.
var errBroken = errors.New("the audit trail is broken")

func verifyCommand() *cobra.Command {
	return &cobra.Command{
		Use: "verify", Short: "Verify that nobody changed the audit trail",
		Long: "Walk the chain of hashes from the oldest entry that is kept, and name the first break: an entry that was changed, removed, or inserted. " +
			"The exit code is 1 if there is one. Keep the hash that it prints somewhere else, to notice later if the end of the trail was replaced.",
		Example: "  jethook audit verify",
		Args:    cli.ExactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var report audit.Report
			raw, err := client.Ask(cmd, http.MethodGet, "/api/v1/audit/verify", nil, &report)
			if err != nil {
				return err
			}
			if err := client.Display(cmd, raw, func(w io.Writer) {
				cli.Row(w, "entries:", report.Entries)
				cli.Row(w, "first:", report.First)
				cli.Row(w, "last:", report.Last)
				cli.Row(w, "hash:", report.Hash)
			}); err != nil {
				return err
			}
			if report.Break != "" {
				return fmt.Errorf("%w: %s", errBroken, report.Break)
			}
			return nil
		},
	}
}
