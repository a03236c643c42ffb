package main

import (
	"io"
	"net/http"

	"github.com/spf13/cobra"

	"jethook/consume/admin"
)

func sourceCommand() *cobra.Command {
	return clientGroup("source", "See the senders that webhooks are received from", sourceListCommand())
}

func sourceListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "ls", Short: "List sources, with how many of their webhooks are stored",
		Example: "  jethook source ls",
		Args:    exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return call(cmd, http.MethodGet, "/api/v1/sources", nil, func(w io.Writer, page *admin.SourcePage) {
				row(w, "NAME", "PROVIDER", "RECEIVED", "LAST SEEN", "REFUSED")
				for _, s := range page.Items {
					row(w, s.Name, s.Provider, s.Received, stamp(s.LastSeen), refusals(s.Refused))
				}
			})
		},
	}
}
