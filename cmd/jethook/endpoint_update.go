package main

import (
	"errors"
	"net/http"

	"github.com/spf13/cobra"
)

func endpointUpdateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "update ID", Short: "Change an endpoint",
		Long: "Change what is given of an endpoint, and leave the rest as it is. --events, --header and --retry-schedule replace all that " +
			"it had of them. --clear sets fields back to their default: format, signature, second_signature, headers, retry_schedule, timeout, rate_limit, " +
			"concurrency, disabled.\n\n" +
			"--secret-file replaces all secrets at once: deliveries that are signed with the old one stop being valid at that moment.",
		Example: `  jethook endpoint update ep_... --url https://example.com/new --events 'events.order.*,events.refund.*'
  jethook endpoint update ep_... --header X-Team=shop --rate-limit 10/s
  jethook endpoint update ep_... --clear headers,timeout`,
		Args: exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			fields, err := endpointFields(cmd)
			if err != nil {
				return err
			}
			if err := clearFields(cmd, fields); err != nil {
				return err
			}
			switch {
			case len(fields) == 0:
				return usageError{errors.New("what is to change? Give a flag, such as --url")}
			case fields["secret"] == "": // the API would make one, and nobody would ever see it
				return usageError{errors.New("--secret must not be empty")}
			}
			return call(cmd, http.MethodPatch, endpointPath(args[0]), fields, showEndpoint)
		},
	}
	addEndpointFlags(cmd)
	cmd.Flags().StringSlice("clear", nil, "fields to set back to their default, comma-separated")
	return cmd
}
