package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"jethook/consume/admin"
)

func eventResendCommand() *cobra.Command {
	var endpoints []string
	var all, yes bool
	cmd := &cobra.Command{
		Use: "resend ID", Short: "Send an event again, to all matching or to selected endpoints",
		Long: "Send a stored event again, to each enabled endpoint whose patterns match, or to the endpoints given with --endpoint, whatever their " +
			"patterns. Without --endpoint the command asks first. A waiting delivery is attempted now, a dead one is replayed, and a delivered one starts " +
			"over with its first attempt. Receivers see the same webhook-id as before. ID is looked up as by 'jethook event show'.",
		Example: `  jethook event resend evt_... --endpoint billing
  jethook event resend WEBHOOKS-1234 --endpoint ep_... --endpoint ep_...
  jethook event resend order-7 --subject 'events.order.*' --all`,
		Args: exactArgs("ID"), ValidArgsFunction: firstArg(completeList("/api/v1/events")),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case all && len(endpoints) > 0:
				return usageError{errors.New("pass --endpoint or --all, not both")}
			case len(endpoints) == 0 && !all && !yes:
				if err := confirm(cmd, "Send the event to every endpoint whose patterns match?"); err != nil {
					return err
				}
			}
			path := "/api/v1/events/" + url.PathEscape(args[0]) + "/resend" + queryOf(cmd, "subject", "since", "until")
			return call(cmd, http.MethodPost, path, &admin.ResendRequest{Endpoints: endpoints}, func(w io.Writer, r *admin.Resent) {
				name := endpointNames(cmd)
				row(w, "ENDPOINT", "NAME", "RESULT", "DELIVERY")
				for _, d := range r.Deliveries {
					row(w, d.Endpoint, name(d.Endpoint), d.Result, d.ID)
				}
				if len(r.Deliveries) == 0 {
					fmt.Fprintf(cmd.ErrOrStderr(), "No endpoint's patterns match %q.\n", r.Subject)
				}
			})
		},
	}
	cmd.Flags().StringSliceVar(&endpoints, "endpoint", nil, "send it only to the endpoint with this id or name; may be repeated")
	takesEndpointFlag(cmd)
	cmd.Flags().BoolVar(&all, "all", false, "send it to every endpoint whose patterns match, without asking")
	cmd.Flags().BoolVar(&yes, "yes", false, "don't ask")
	addFilters(cmd, "subject", "since", "until")
	return cmd
}
