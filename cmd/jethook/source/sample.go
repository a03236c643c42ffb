package source

import (
	"io"
	"net/http"

	"github.com/spf13/cobra"

	"jethook/cmd/jethook/cli"
	"jethook/cmd/jethook/client"
	"jethook/consume/admin/sources"
)

func sampleCommand() *cobra.Command {
	return &cobra.Command{
		Use: "sample NAME", Short: "Print a curl command that sends a signed sample",
		Long: "Print a curl command that sends a request as the source's sender makes it, with a current timestamp and a valid signature. " +
			"Jethook stores it like any other event. Senders that sign with a key of their own have no sample.",
		Example: "  jethook source sample stripe\n  jethook source sample github | sh",
		Args:    cli.ExactArgs("NAME"), ValidArgsFunction: client.FirstArg(client.CompleteList("/api/v1/sources")),
		RunE: func(cmd *cobra.Command, args []string) error {
			return client.Call(cmd, http.MethodGet, pathOf(args[0])+"/sample", nil, func(w io.Writer, s *sources.SourceSample) {
				cli.Row(w, s.Curl)
			})
		},
	}
}
