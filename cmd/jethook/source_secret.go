package main

import (
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"jethook/consume/admin"
)

func sourcePairCommand() *cobra.Command {
	var period time.Duration
	cmd := &cobra.Command{
		Use: "pair NAME", Short: "Let a source take a secret from its sender",
		Long: "Let a source take one secret from a sender that hands it over in a handshake, as Asana and Notion do. It prints the address to make " +
			"the webhook with at the sender: anyone could send such a handshake, so it is taken there alone, once. The secrets before it go on " +
			"verifying. Without JETHOOK_SOURCE_<NAME>_URL only the path of the address is known.",
		Example: "  jethook source pair asana\n  jethook source pair asana --for 1h",
		Args:    exactArgs("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			body := admin.Pairing{}
			if cmd.Flags().Changed("for") {
				body.For = period.String()
			}
			return call(cmd, http.MethodPost, sourcePath(args[0])+"/pair", body, func(w io.Writer, p *admin.Paired) {
				address := p.Address
				if strings.HasPrefix(address, "/") {
					address = "https://your.host" + address
				}
				row(w, "address:", address)
				row(w, "until:", stamp(&p.Until))
			})
		},
	}
	cmd.Flags().DurationVar(&period, "for", 10*time.Minute, "how long, 1s to 24h")
	return cmd
}

func sourceSecretCommand() *cobra.Command {
	return &cobra.Command{
		Use: "secret NAME", Short: "Reveal the secrets that a source's sender handed over",
		Long:    "Reveal the secrets that a source's sender handed over in handshakes, the newest first. The server logs that it was asked.",
		Example: "  jethook source secret notion\n  jethook source secret notion --json | jq -r '.items[0].secret'",
		Args:    exactArgs("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return call(cmd, http.MethodGet, sourcePath(args[0])+"/secret", nil, func(w io.Writer, list *admin.SourceSecrets) {
				row(w, "SECRET", "HANDED OVER")
				for i := range list.Items {
					row(w, list.Items[i].Secret, stamp(&list.Items[i].At))
				}
			})
		},
	}
}

func sourceForgetCommand() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "forget NAME", Short: "Forget the secrets that a source's sender handed over",
		Long:    "Forget the secrets that a source's sender handed over. What they signed verifies no more, and a pairing ends. It asks first.",
		Example: "  jethook source forget asana --yes",
		Args:    exactArgs("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !yes {
				if err := confirm(cmd, "Forget the secrets of "+args[0]+"? Its requests verify no more."); err != nil {
					return err
				}
			}
			return call(cmd, http.MethodDelete, sourcePath(args[0])+"/secret", nil, func(io.Writer, *struct{}) {})
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "don't ask")
	return cmd
}
