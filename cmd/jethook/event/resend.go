package event

import (
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"jethook/cmd/jethook/cli"
	"jethook/cmd/jethook/client"
	"jethook/consume/admin/events"
)

func resendCommand() *cobra.Command {
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
		Args: cli.ExactArgs("ID"), ValidArgsFunction: client.FirstArg(client.CompleteList("/api/v1/events")),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case all && len(endpoints) > 0:
				return cli.Usagef("pass --endpoint or --all, not both")
			case len(endpoints) == 0 && !all && !yes:
				if err := cli.Confirm(cmd, "Send the event to every endpoint whose patterns match?"); err != nil {
					return err
				}
			}
			path := "/api/v1/events/" + url.PathEscape(args[0]) + "/resend" + client.QueryOf(cmd, "subject", "since", "until")
			return client.Call(cmd, http.MethodPost, path, &events.ResendRequest{Endpoints: endpoints}, func(w io.Writer, r *events.Resent) {
				name := client.EndpointNames(cmd)
				cli.Row(w, "ENDPOINT", "NAME", "RESULT", "DELIVERY")
				for _, d := range r.Deliveries {
					cli.Row(w, d.Endpoint, name(d.Endpoint), d.Result, d.ID)
				}
				if len(r.Deliveries) == 0 {
					fmt.Fprintf(cmd.ErrOrStderr(), "No endpoint's patterns match %q.\n", r.Subject)
				}
			})
		},
	}
	cmd.Flags().StringSliceVar(&endpoints, "endpoint", nil, "send it only to the endpoint with this id or name; may be repeated")
	client.TakesEndpointFlag(cmd)
	cmd.Flags().BoolVar(&all, "all", false, "send it to every endpoint whose patterns match, without asking")
	cmd.Flags().BoolVar(&yes, "yes", false, "don't ask")
	client.AddFilters(cmd, "subject", "since", "until")
	return cmd
}
