package source

import (
	"cmp"
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
	"jethook/consume/admin/sources"
)

func pathOf(name string) string { return "/api/v1/sources/" + url.PathEscape(name) }

func rejectedCommand() *cobra.Command {
	var id string
	cmd := &cobra.Command{
		Use: "rejected NAME", Short: "List rejected requests of a source, newest first",
		Long: "List the requests of a source that failed verification, newest first, or show one with its headers and body. Credentials are hidden. " +
			"Jethook keeps them for JETHOOK_REJECTED_RETENTION, and only some of a burst.",
		Example: `  jethook source rejected stripe --since 24h --reason bad_signature
  jethook source rejected stripe --id 17
  jethook source rejected stripe --json | jq -r '.items[].reason' | sort | uniq -c`,
		Args: cli.ExactArgs("NAME"), ValidArgsFunction: client.FirstArg(client.CompleteList("/api/v1/sources")),
		RunE: func(cmd *cobra.Command, args []string) error {
			path, chosen := pathOf(args[0])+"/rejected", client.Query(cmd)
			if !cmd.Flags().Changed("id") {
				return listRejected(cmd, path+chosen)
			}
			if id == "" || chosen != "" {
				return cli.Usagef("pass --id or filters, not both")
			}
			return client.Call(cmd, http.MethodGet, path+"/"+url.PathEscape(id), nil, showRejected)
		},
	}
	client.AddFilters(cmd, "reason", "since", "until", "limit", "cursor")
	cmd.Flags().StringVar(&id, "id", "", "show the request with this id")
	return cmd
}

func listRejected(cmd *cobra.Command, path string) error {
	return client.List(cmd, path, func(w io.Writer, page *sources.RejectedPage) string {
		cli.Row(w, "ID", "RECEIVED", "REASON", "METHOD", "REMOTE", "SIZE", "BODY")
		for i := range page.Items {
			r := &page.Items[i]
			cli.Row(w, r.ID, cli.Stamp(&r.Received), r.Reason, r.Method, r.Remote, r.Size, bodyKept(r))
		}
		return page.NextCursor
	})
}

func bodyKept(r *sources.RejectedRequest) string {
	if r.BodyKept {
		return "kept"
	}
	return "not kept"
}

func showRejected(w io.Writer, r *sources.RejectedDetail) {
	cli.Row(w, "id:", r.ID)
	cli.Row(w, "received:", cli.Stamp(&r.Received))
	cli.Row(w, "reason:", r.Reason)
	cli.Row(w, "method:", r.Method)
	if r.Query != "" {
		cli.Row(w, "query:", r.Query)
	}
	cli.Row(w, "remote:", r.Remote)
	cli.Row(w, "size:", r.Size)
	for _, name := range r.Names {
		cli.Row(w, "header:", name+": "+strings.Join(r.Headers[name], ", "))
	}
	if !r.BodyKept {
		cli.Row(w, "sha256:", cmp.Or(r.SHA256, "-"))
		cli.Row(w, "body:", "(only the beginning was kept: too many requests, or too large)")
	}
	client.ShowBody(w, &r.EventBody, "only the first 1 MiB is shown")
}

func retryCommand() *cobra.Command {
	var c sources.RejectedChoice
	cmd := &cobra.Command{
		Use: "retry NAME", Short: "Verify rejected requests again, and store those that pass",
		Long: "Verify rejected requests of a source again, with the current secrets and as of the time each one arrived, and store those that " +
			"pass. Without --id, --since, --until, or --reason, it verifies all of them, oldest first. It prints how many passed, and why the " +
			"others failed. If it is interrupted, run it again to continue.",
		Example: `  jethook source retry stripe
  jethook source retry stripe --since 24h --reason bad_signature
  jethook source retry stripe --id 17 --id 18`,
		Args: cli.ExactArgs("NAME"), ValidArgsFunction: client.FirstArg(client.CompleteList("/api/v1/sources")),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(c.IDs) > 0 && cmp.Or(c.Since, c.Until, c.Reason) != "" {
				return cli.Usagef("pass --id or filters, not both")
			}
			sum, err := retryRejected(cmd, pathOf(args[0])+"/retry", &c)
			if err != nil {
				return err
			}
			return client.Show(cmd, sum, func(w io.Writer) {
				cli.Row(w, "verified:", sum.Verified)
				for _, reason := range slices.Sorted(maps.Keys(sum.Refused)) {
					cli.Row(w, "refused:", fmt.Sprintf("%d %s", sum.Refused[reason], reason))
				}
			})
		},
	}
	cmd.Flags().StringSliceVar(&c.IDs, "id", nil, "only the request with this id; may be repeated")
	cmd.Flags().StringVar(&c.Since, "since", "", client.Filters["since"])
	cmd.Flags().StringVar(&c.Until, "until", "", client.Filters["until"])
	cmd.Flags().StringVar(&c.Reason, "reason", "", client.Filters["reason"])
	return cmd
}

// retryRejected makes the request, of which one does only a part, until all is done.
func retryRejected(cmd *cobra.Command, path string, c *sources.RejectedChoice) (*sources.RetriedRejected, error) {
	sum := &sources.RetriedRejected{Refused: map[string]int{}}
	for {
		answer, err := client.AskFor[sources.RetriedRejected](cmd, http.MethodPost, path, c)
		if err != nil && sum.Verified > 0 {
			return nil, fmt.Errorf("stopped after %d verified: %w", sum.Verified, err)
		}
		if err != nil {
			return nil, err
		}
		sum.Verified += answer.Verified
		for reason, n := range answer.Refused {
			sum.Refused[reason] += n
		}
		if c.Cursor = answer.NextCursor; c.Cursor == "" {
			return sum, nil
		}
	}
}
