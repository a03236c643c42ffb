package endpoint

import (
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"jethook/cmd/jethook/cli"
	"jethook/cmd/jethook/client"
	"jethook/consume/admin/endpoints"
)

func rotateCommand() *cobra.Command {
	var overlap time.Duration
	var secretFile, secretType string
	cmd := client.TakesEndpoint(&cobra.Command{
		Use: "rotate ENDPOINT", Short: "Give an endpoint a new secret",
		Long: "Give an endpoint a new secret and print it. The new secret has the form of the current one: the same prefix, alphabet, and length. If the " +
			"form is not known, as for a text of your own, pass --secret-file, or choose another form with --secret-type.\n\n" +
			"During the overlap, deliveries of scheme standard are signed with the old secret as well. hmac and bearer have room for only one signature and use the new " +
			"secret immediately: configure it at the receiver first, and pass it with --secret-file.",
		Example: `  jethook endpoint rotate billing
  jethook endpoint rotate billing --overlap 0s              # the old secret has leaked
  openssl rand -hex 24 | jethook endpoint rotate billing --secret-file -`,
	}, func(cmd *cobra.Command, id string) error {
		body := endpoints.Rotation{SecretType: secretType}
		if cmd.Flags().Changed("overlap") {
			body.Overlap = overlap.String()
		}
		if secretFile != "" {
			secret, err := cli.ReadSecret(cmd, "secret", secretFile)
			if err != nil {
				return err
			}
			body.Secret = secret
		}
		return client.Call(cmd, http.MethodPost, client.EndpointPath(id)+"/rotate", body, showSecret(cmd))
	})
	cmd.Flags().DurationVar(&overlap, "overlap", 24*time.Hour, "how long the old secret stays valid, 0s to 168h")
	cmd.Flags().StringVar(&secretFile, "secret-file", "", "file with the new secret, or - for standard input (default: generated)")
	cmd.Flags().StringVar(&secretType, "secret-type", "", "how to read the key from the secret: text, base64, or ed25519 (default: like the current one)")
	return cmd
}

func secretCommand() *cobra.Command {
	return client.TakesEndpoint(&cobra.Command{
		Use: "secret ENDPOINT", Short: "Reveal an endpoint's secrets",
		Long:    "Reveal the secrets that sign an endpoint's deliveries, newest first. The server logs this.",
		Example: "  jethook endpoint secret ep_...\n  jethook endpoint secret ep_... --json | jq -r '.items[0].secret'",
	}, func(cmd *cobra.Command, id string) error {
		return client.Call(cmd, http.MethodGet, client.EndpointPath(id)+"/secret", nil, func(w io.Writer, list *endpoints.SecretList) {
			cli.Row(w, "SECRET", "EXPIRES")
			for _, s := range list.Items {
				cli.Row(w, s.Secret, cli.Stamp(&s.Expires))
			}
		})
	})
}
