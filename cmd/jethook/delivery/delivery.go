// Package delivery is the commands about deliveries: jethook delivery for all of them, jethook dead for those that failed
// permanently, and jethook attempt for their history.
package delivery

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"jethook/cmd/jethook/cli"
	"jethook/cmd/jethook/client"
	admindeliveries "jethook/consume/admin/deliveries"
	"jethook/consume/deliveries"
)

// Command returns jethook delivery with its verbs.
func Command() *cobra.Command {
	return client.Group("delivery", "List and retry deliveries: one for each event and endpoint",
		listCommand(), showCommand(), retryCommand())
}

func listCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "ls", Short: "List deliveries, newest first",
		Example: `  jethook delivery ls --status waiting
  jethook delivery ls --endpoint ep_... --since 24h --json
  jethook delivery ls --event evt_...
  jethook delivery ls --status dead --class timeout --type 'order.>'`,
		Args: cli.ExactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return list(cmd, "/api/v1/deliveries")
		},
	}
	client.AddFilters(cmd, "endpoint", "status", "type", "event", "class", "code", "since", "until", "limit", "cursor")
	return cmd
}

func list(cmd *cobra.Command, path string) error {
	name := client.EndpointNames(cmd)
	return client.List(cmd, path+client.Query(cmd), func(w io.Writer, page *admindeliveries.DeliveryPage) string {
		cli.Row(w, "ID", "ENDPOINT", "STATUS", "TYPE", "ATTEMPTS", "AT", "NEXT", "REASON")
		for i := range page.Items {
			d := &page.Items[i]
			cli.Row(w, d.ID, name(d.Endpoint), d.Status, d.Type, d.Attempts, cli.Stamp(&d.At), cli.Stamp(d.Next), client.Reason(d))
		}
		return page.NextCursor
	})
}

func retryCommand() *cobra.Command {
	return &cobra.Command{
		Use: "retry ID", Short: "Attempt a delivery now",
		Long:    "Attempt a waiting or dead delivery now. If a waiting delivery fails again, it continues with its schedule. To send a delivered event again, use 'jethook event resend'.",
		Example: "  jethook delivery retry ep_...events:evt_...",
		Args:    cli.ExactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			path := "/api/v1/deliveries/" + url.PathEscape(args[0])
			err := client.Call(cmd, http.MethodPost, path+"/retry", nil, func(w io.Writer, d *admindeliveries.RetriedDelivery) {
				cli.Row(w, d.ID+" is being attempted")
			})
			if client.RefusedWith(err, "not_found") {
				d, unknown := client.AskFor[admindeliveries.DeliveryReport](cmd, http.MethodGet, path, nil)
				if unknown == nil && d.Status == deliveries.StatusDelivered {
					return fmt.Errorf("%s is already delivered; to send its event again, run 'jethook event resend %s --endpoint %s'",
						cli.Printable(d.ID), shellWord(d.EventID), d.Endpoint)
				}
			}
			return err
		},
		ValidArgsFunction: client.FirstArg(client.CompleteList("/api/v1/deliveries?status=waiting")),
	}
}

// shellWord quotes a text for a shell unless every shell takes it as it is.
func shellWord(text string) string {
	if plainWord.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(cli.Printable(text), "'", `'\''`) + "'"
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_.:/@+-]+$`)
