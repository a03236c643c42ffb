package main

import (
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"jethook/consume/admin"
)

func endpointRotateCommand() *cobra.Command {
	var overlap time.Duration
	var secretFile, secretType string
	cmd := &cobra.Command{
		Use: "rotate ID", Short: "Give an endpoint a new secret",
		Long: "Give an endpoint a new secret and print it. It is of the kind of the present one, with its prefix, alphabet and length; where that can't " +
			"be told, as of a text of your own, give it with --secret-file, or another kind with --secret-type. During the overlap, deliveries of scheme standard carry a signature by the old " +
			"secret too. hmac and bearer have room for one, which is the new secret's at once: let the receiver know it before, with --secret-file.",
		Example: `  jethook endpoint rotate ep_...
  jethook endpoint rotate ep_... --overlap 0s               # the old one is known to others
  openssl rand -hex 24 | jethook endpoint rotate ep_... --secret-file -`,
		Args: exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			body := admin.Rotation{SecretType: secretType}
			if cmd.Flags().Changed("overlap") {
				body.Overlap = overlap.String()
			}
			if secretFile != "" {
				secret, err := readSecret(cmd, "secret", secretFile)
				if err != nil {
					return err
				}
				body.Secret = secret
			}
			return call(cmd, http.MethodPost, endpointPath(args[0])+"/rotate", body, showSecret(cmd))
		},
	}
	cmd.Flags().DurationVar(&overlap, "overlap", 24*time.Hour, "how long the old secret goes on signing, 0s to 168h")
	cmd.Flags().StringVar(&secretFile, "secret-file", "", "file with the new secret, or - for the standard input; made unless given")
	cmd.Flags().StringVar(&secretType, "secret-type", "", "how the secret is a key: text, base64 or ed25519 (default as the present one)")
	return cmd
}

func endpointSecretCommand() *cobra.Command {
	return &cobra.Command{
		Use: "secret ID", Short: "Reveal an endpoint's secrets",
		Long:    "Reveal the secrets that sign an endpoint's deliveries, the newest first. The server logs that it was asked.",
		Example: "  jethook endpoint secret ep_...\n  jethook endpoint secret ep_... --json | jq -r '.items[0].secret'",
		Args:    exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return call(cmd, http.MethodGet, endpointPath(args[0])+"/secret", nil, func(w io.Writer, list *admin.SecretList) {
				row(w, "SECRET", "EXPIRES")
				for _, s := range list.Items {
					row(w, s.Secret, stamp(&s.Expires))
				}
			})
		},
	}
}
