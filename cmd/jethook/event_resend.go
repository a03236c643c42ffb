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
		Use: "resend ID", Short: "Send an event again, to all or to chosen endpoints",
		Long: "Send a stored event again: to each enabled endpoint whose patterns match, for which it asks first, or to those that --endpoint " +
			"names, whatever their patterns are. What waits is attempted now, what is dead is replayed, and what was delivered begins anew with " +
			"its first attempt. Receivers see the same webhook-id as before. The event is found as by 'event show'.",
		Example: `  jethook event resend evt_... --endpoint ep_...
  jethook event resend WEBHOOKS-1234 --endpoint ep_... --endpoint ep_...
  jethook event resend order-7 --subject 'events.order.*' --all`,
		Args: exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case all && len(endpoints) > 0:
				return usageError{errors.New("give --endpoint or --all, not both")}
			case len(endpoints) == 0 && !all && !yes:
				if err := confirm(cmd, "Send it to every endpoint whose patterns match?"); err != nil {
					return err
				}
			}
			path := "/api/v1/events/" + url.PathEscape(args[0]) + "/resend" + queryOf(cmd, "subject", "since", "until")
			return call(cmd, http.MethodPost, path, &admin.ResendRequest{Endpoints: endpoints}, func(w io.Writer, r *admin.Resent) {
				row(w, "ENDPOINT", "RESULT", "DELIVERY")
				for _, d := range r.Deliveries {
					row(w, d.Endpoint, d.Result, d.ID)
				}
				if len(r.Deliveries) == 0 {
					fmt.Fprintf(cmd.ErrOrStderr(), "No endpoint's patterns match %q.\n", r.Subject)
				}
			})
		},
	}
	cmd.Flags().StringSliceVar(&endpoints, "endpoint", nil, "to this endpoint alone; may be repeated")
	cmd.Flags().BoolVar(&all, "all", false, "to every endpoint whose patterns match, without asking")
	cmd.Flags().BoolVar(&yes, "yes", false, "don't ask")
	addFilters(cmd, "subject", "since", "until")
	return cmd
}
