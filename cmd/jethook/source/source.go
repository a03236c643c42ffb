// Package source is the command jethook source: it lists sources and the senders that can be one, and is for their secrets
// and rejected requests.
package source

import (
	"cmp"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"jethook/cmd/jethook/cli"
	"jethook/cmd/jethook/client"
	"jethook/consume/admin/sources"
)

// Command returns jethook source with its verbs.
func Command() *cobra.Command {
	return client.Group("source", "List sources of webhooks, their secrets, and their rejected requests",
		listCommand(), sampleCommand(), rejectedCommand(), retryCommand(),
		pairCommand(), secretCommand(), forgetCommand())
}

func listCommand() *cobra.Command {
	var available bool
	cmd := &cobra.Command{
		Use: "ls", Short: "List sources and how many of their webhooks are stored",
		Long: "List the sources of a running Jethook and how many of their webhooks are stored. HANDSHAKE, for a sender that hands over its secret, is " +
			"waiting until you run 'jethook source pair', then open, then done. DUPLICATES counts, since the processes started, requests with the id of an event that is already stored, " +
			"including those redelivered by hand at the sender; they are answered with success and ignored.\n\n" +
			"With --available, list the senders that Jethook supports; this needs no server. If the verification does not cover the body, anyone who has seen one request can forge others; " +
			"a type or id that it does not cover can be changed. Some senders put a secret into the body, which is stored and delivered with it.",
		Example: `  jethook source ls
  jethook source ls --available --json | jq '.items[] | select(.name == "stripe")'`,
		Args: cli.ExactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if available {
				return listAvailable(cmd)
			}
			return client.Call(cmd, http.MethodGet, "/api/v1/sources", nil, func(w io.Writer, page *sources.SourcePage) {
				cli.Row(w, "NAME", "PROVIDER", "COVERS BODY", "RECEIVED", "DUPLICATES", "LAST SEEN", "REFUSED", "HANDSHAKE")
				repeated := ""
				for _, s := range page.Items {
					if s.Duplicates > 0 && repeated == "" {
						repeated = s.Name
					}
					covers := "yes"
					switch {
					case s.VerifiedBy == "":
						covers = "-"
					case !s.CoversBody:
						covers = "no: " + s.VerifiedBy
					case len(s.NotCovered) > 0:
						covers = "yes, not " + strings.Join(s.NotCovered, ", ")
					}
					cli.Row(w, s.Name, s.Provider, covers, s.Received, s.Duplicates, cli.Stamp(s.LastSeen), client.Refusals(s.Refused), cmp.Or(s.Handshake, "-"))
				}
				if repeated != "" {
					cli.Row(w)
					cli.Row(w, "Duplicates have the id of an event that is already stored, such as a manual redelivery at the sender. They are answered with success and ignored.")
					cli.Row(w, "To deliver such an event again, run: jethook event resend ID. To store every request as a new event, set "+variable(repeated, "DEDUP")+"=false.")
				}
			})
		},
	}
	cmd.Flags().BoolVar(&available, "available", false, "list the senders that Jethook supports")
	return cmd
}

// variable is the name of a source's variable.
func variable(source, option string) string {
	return "JETHOOK_SOURCE_" + strings.ToUpper(strings.ReplaceAll(source, "-", "_")) + "_" + option
}
