package main

import (
	"cmp"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"jethook/config"
	"jethook/consume/admin"
	"jethook/ingest/provider"
)

func sourceCommand() *cobra.Command {
	return clientGroup("source", "See the senders that webhooks are received from, and what of theirs did not verify",
		sourceListCommand(), sourceRejectedCommand(), sourceRetryCommand(),
		sourcePairCommand(), sourceSecretCommand(), sourceForgetCommand())
}

func sourceListCommand() *cobra.Command {
	var available bool
	cmd := &cobra.Command{
		Use: "ls", Short: "List sources, with how many of their webhooks are stored",
		Long: "List the sources of a running Jethook, with how many of their webhooks are stored. One whose sender hands its secret over is " +
			"waiting until 'source pair' opens it for the handshake, open, or done. Duplicates, counted since the processes started, are requests with the id of an event that is stored: nothing more happens, also if somebody has redelivered one by hand at the sender. With --available, list the senders that can " +
			"become sources, without asking any server. Where the verification does not cover the body, who has seen one request can send others; a type or an id that it does not cover can be changed. Some senders put a secret into the body, which is stored and delivered with it.",
		Example: `  jethook source ls
  jethook source ls --available --json | jq '.items[] | select(.name == "stripe")'`,
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if available {
				return listAvailable(cmd)
			}
			return call(cmd, http.MethodGet, "/api/v1/sources", nil, func(w io.Writer, page *admin.SourcePage) {
				row(w, "NAME", "PROVIDER", "COVERS BODY", "RECEIVED", "DUPLICATES", "LAST SEEN", "REFUSED", "HANDSHAKE")
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
					row(w, s.Name, s.Provider, covers, s.Received, s.Duplicates, stamp(s.LastSeen), refusals(s.Refused), cmp.Or(s.Handshake, "-"))
				}
				if repeated != "" {
					row(w)
					row(w, "Duplicates have the id of an event that is stored, as a redelivery by hand at the sender has: they are answered as a success, and nothing more happens.")
					row(w, "To deliver such an event again: jethook event resend ID. To store each request as an event of its own: "+sourceVariable(repeated, "DEDUP")+"=false.")
				}
			})
		},
	}
	cmd.Flags().BoolVar(&available, "available", false, "list the senders that Jethook knows")
	return cmd
}

// sourceVariable is the name of a source's variable.
func sourceVariable(source, option string) string {
	return "JETHOOK_SOURCE_" + strings.ToUpper(strings.ReplaceAll(source, "-", "_")) + "_" + option
}

// verifications says how each source is verified. What is wrong with a source is told elsewhere.
func verifications(sources []config.Source) map[string]admin.Verification {
	all := make(map[string]admin.Verification, len(sources))
	for _, c := range sources {
		sender, _ := provider.Build(c.Provider, provider.Options{
			Header: c.Header, Algorithm: c.Algorithm, Encoding: c.Encoding, Type: c.Type, ID: c.ID,
		})
		if sender.Scheme != nil {
			all[c.Name] = admin.Verification{
				VerifiedBy: sender.Scheme.String(), CoversBody: sender.Scheme.CoversBody(), Learns: sender.LearnsSecret(),
				NotCovered: sender.NotCovered(), Caveat: sender.Caveat, BodySecrets: sender.BodySecrets,
			}
		}
	}
	return all
}
