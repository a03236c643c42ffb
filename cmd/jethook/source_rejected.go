package main

import (
	"cmp"
	"errors"
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

func sourcePath(name string) string { return "/api/v1/sources/" + url.PathEscape(name) }

func sourceRejectedCommand() *cobra.Command {
	var id string
	cmd := &cobra.Command{
		Use: "rejected NAME", Short: "List requests of a source that did not verify, newest first",
		Long: "List requests of a source that did not verify, newest first, or show one with its headers and body. Credentials are not shown. " +
			"Of many in a short time only some are kept, for as long as JETHOOK_REJECTED_RETENTION says.",
		Example: `  jethook source rejected stripe --since 24h --reason bad_signature
  jethook source rejected stripe --id 17
  jethook source rejected stripe --json | jq -r '.items[].reason' | sort | uniq -c`,
		Args: exactArgs("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			path, chosen := sourcePath(args[0])+"/rejected", query(cmd)
			if !cmd.Flags().Changed("id") {
				return listRejected(cmd, path+chosen)
			}
			if id == "" || chosen != "" {
				return usageError{errors.New("give an --id alone, or filters")}
			}
			return call(cmd, http.MethodGet, path+"/"+url.PathEscape(id), nil, showRejected)
		},
	}
	addFilters(cmd, "reason", "since", "until", "limit", "cursor")
	cmd.Flags().StringVar(&id, "id", "", "show this one, as the list names it")
	return cmd
}

func listRejected(cmd *cobra.Command, path string) error {
	var cursor string
	err := call(cmd, http.MethodGet, path, nil, func(w io.Writer, page *admin.RejectedPage) {
		row(w, "ID", "RECEIVED", "REASON", "METHOD", "REMOTE", "SIZE", "BODY")
		for i := range page.Items {
			r := &page.Items[i]
			row(w, r.ID, stamp(&r.Received), r.Reason, r.Method, r.Remote, r.Size, bodyKept(r))
		}
		cursor = page.NextCursor
	})
	more(cmd, cursor)
	return err
}

func bodyKept(r *admin.RejectedRequest) string {
	if r.BodyKept {
		return "kept"
	}
	return "not kept"
}

func showRejected(w io.Writer, r *admin.RejectedDetail) {
	row(w, "id:", r.ID)
	row(w, "received:", stamp(&r.Received))
	row(w, "reason:", r.Reason)
	row(w, "method:", r.Method)
	if r.Query != "" {
		row(w, "query:", r.Query)
	}
	row(w, "remote:", r.Remote)
	row(w, "size:", r.Size)
	for _, name := range r.Names {
		row(w, "header:", name+": "+strings.Join(r.Headers[name], ", "))
	}
	if !r.BodyKept {
		row(w, "sha256:", cmp.Or(r.SHA256, "-"))
		row(w, "body:", "(not kept, but for the beginning: there were too many, or it is too large)")
	}
	showBody(w, &r.EventBody, "this is the first 1 MiB")
}

func sourceRetryCommand() *cobra.Command {
	var c admin.RejectedChoice
	cmd := &cobra.Command{
		Use: "retry NAME", Short: "Verify requests again that did not verify, and store those that do",
		Long: "Verify requests of a source again that did not verify, with the secrets of now and the clock of when each came, and store those that " +
			"verify. Without --id, --since, --until and --reason: all that are kept, the oldest first. It prints how many verified, and why the " +
			"others did not. Cut off half-way, the same command does the rest.",
		Example: `  jethook source retry stripe
  jethook source retry stripe --since 24h --reason bad_signature
  jethook source retry stripe --id 17 --id 18`,
		Args: exactArgs("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(c.IDs) > 0 && cmp.Or(c.Since, c.Until, c.Reason) != "" {
				return usageError{errors.New("give --id, or filters, not both")}
			}
			sum, err := retryRejected(cmd, sourcePath(args[0])+"/retry", &c)
			if err != nil {
				return err
			}
			return show(cmd, sum, func(w io.Writer) {
				row(w, "verified:", sum.Verified)
				for _, reason := range slices.Sorted(maps.Keys(sum.Refused)) {
					row(w, "refused:", fmt.Sprintf("%d %s", sum.Refused[reason], reason))
				}
			})
		},
	}
	cmd.Flags().StringSliceVar(&c.IDs, "id", nil, "only this one; may be repeated")
	cmd.Flags().StringVar(&c.Since, "since", "", filters["since"])
	cmd.Flags().StringVar(&c.Until, "until", "", filters["until"])
	cmd.Flags().StringVar(&c.Reason, "reason", "", filters["reason"])
	return cmd
}

// retryRejected makes the request, of which one does only a part, until all is done.
func retryRejected(cmd *cobra.Command, path string, c *admin.RejectedChoice) (*admin.RetriedRejected, error) {
	sum := &admin.RetriedRejected{Refused: map[string]int{}}
	for {
		answer, err := askFor[admin.RetriedRejected](cmd, http.MethodPost, path, c)
		if err != nil && sum.Verified > 0 {
			return nil, fmt.Errorf("cut off after %d verified: %w", sum.Verified, err)
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
