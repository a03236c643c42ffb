package source

import (
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"jethook/cmd/jethook/cli"
	"jethook/cmd/jethook/client"
	"jethook/consume/admin/sources"
)

func pairCommand() *cobra.Command {
	var period time.Duration
	cmd := &cobra.Command{
		Use: "pair NAME", Short: "Let a source accept a secret from its sender",
		Long: "Let a source accept one secret from a sender that hands it over in a handshake, as Asana and Notion do. The command prints the URL to " +
			"enter at the sender. Because anyone could send such a handshake, Jethook accepts it only at this URL, and only once. Earlier secrets remain " +
			"valid. Unless JETHOOK_SOURCE_<NAME>_URL is set, only the path of the URL is known.",
		Example: "  jethook source pair asana\n  jethook source pair asana --for 1h",
		Args:    cli.ExactArgs("NAME"), ValidArgsFunction: client.FirstArg(client.CompleteList("/api/v1/sources")),
		RunE: func(cmd *cobra.Command, args []string) error {
			body := sources.Pairing{}
			if cmd.Flags().Changed("for") {
				body.For = period.String()
			}
			return client.Call(cmd, http.MethodPost, pathOf(args[0])+"/pair", body, func(w io.Writer, p *sources.Paired) {
				address := p.Address
				if strings.HasPrefix(address, "/") {
					address = "https://your.host" + address
				}
				cli.Row(w, "address:", address)
				cli.Row(w, "until:", cli.Stamp(&p.Until))
			})
		},
	}
	cmd.Flags().DurationVar(&period, "for", 10*time.Minute, "how long to accept the handshake, 1s to 24h")
	return cmd
}

func secretCommand() *cobra.Command {
	return &cobra.Command{
		Use: "secret NAME", Short: "Reveal the secrets that a sender handed over",
		Long:    "Reveal the secrets that a source's sender handed over in handshakes, newest first. The server logs this.",
		Example: "  jethook source secret notion\n  jethook source secret notion --json | jq -r '.items[0].secret'",
		Args:    cli.ExactArgs("NAME"), ValidArgsFunction: client.FirstArg(client.CompleteList("/api/v1/sources")),
		RunE: func(cmd *cobra.Command, args []string) error {
			return client.Call(cmd, http.MethodGet, pathOf(args[0])+"/secret", nil, func(w io.Writer, list *sources.SourceSecrets) {
				cli.Row(w, "SECRET", "HANDED OVER")
				for i := range list.Items {
					cli.Row(w, list.Items[i].Secret, cli.Stamp(&list.Items[i].At))
				}
			})
		},
	}
}

func forgetCommand() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "forget NAME", Short: "Forget the secrets that a sender handed over",
		Long:    "Forget the secrets that a source's sender handed over, and end a pairing. Requests signed with them will fail verification. The command asks first.",
		Example: "  jethook source forget asana --yes",
		Args:    cli.ExactArgs("NAME"), ValidArgsFunction: client.FirstArg(client.CompleteList("/api/v1/sources")),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !yes {
				if err := cli.Confirm(cmd, "Forget the secrets of "+args[0]+"? Its requests will fail verification."); err != nil {
					return err
				}
			}
			return client.Call(cmd, http.MethodDelete, pathOf(args[0])+"/secret", nil, func(io.Writer, *struct{}) {})
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "don't ask")
	return cmd
}
