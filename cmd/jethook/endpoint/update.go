package endpoint

import (
	"net/http"

	"jethook/cmd/jethook/cli"
	"jethook/cmd/jethook/client"

	"github.com/spf13/cobra"
)

func updateCommand() *cobra.Command {
	cmd := client.TakesEndpoint(&cobra.Command{
		Use: "update ENDPOINT", Short: "Change an endpoint",
		Long: "Change some fields of an endpoint and keep the others. --events, --header, and --retry-schedule replace the whole list. " +
			"--clear resets fields to their defaults: format, signature, second_signature, headers, retry_schedule, timeout, rate_limit, ca, client_certificate, " +
			"concurrency, disabled.\n\n" +
			"--secret-file replaces all secrets immediately. To keep the old secret valid for some time, use 'jethook endpoint rotate'.",
		Example: `  jethook endpoint update billing --url https://example.com/new --events 'events.order.*,events.refund.*'
  jethook endpoint update billing --header X-Team=shop --rate-limit 10/s
  jethook endpoint update ep_... --clear headers,timeout`,
	}, func(cmd *cobra.Command, id string) error {
		fields, err := readFields(cmd)
		if err != nil {
			return err
		}
		if err := clearFields(cmd, fields); err != nil {
			return err
		}
		switch {
		case len(fields) == 0:
			return cli.Usagef("no changes given; pass e.g. --url")
		case fields["secret"] == "": // the API would make one, and nobody would ever see it
			return cli.Usagef("--secret must not be empty")
		}
		if err := warnOfTwin(cmd, fields, id); err != nil {
			return err
		}
		return client.Call(cmd, http.MethodPatch, client.EndpointPath(id), fields, showEndpoint)
	})
	addFlags(cmd)
	cmd.Flags().StringSlice("clear", nil, "fields to reset to their defaults, comma-separated")
	return cmd
}
