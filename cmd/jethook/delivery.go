package main

import (
	"io"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"jethook/consume"
	"jethook/consume/admin"
)

func deliveryCommand() *cobra.Command {
	return clientGroup("delivery", "See and retry deliveries: each event on its way to each endpoint",
		deliveryListCommand(), deliveryShowCommand(), deliveryRetryCommand())
}

func deliveryListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "ls", Short: "List deliveries, newest first",
		Example: `  jethook delivery ls --status waiting
  jethook delivery ls --endpoint ep_... --since 24h --json
  jethook delivery ls --event evt_...
  jethook delivery ls --status dead --class timeout --type 'order.>'`,
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return listDeliveries(cmd, "/api/v1/deliveries")
		},
	}
	addFilters(cmd, "endpoint", "status", "type", "event", "class", "code", "since", "until", "limit", "cursor")
	return cmd
}

func listDeliveries(cmd *cobra.Command, path string) error {
	var cursor string
	err := call(cmd, http.MethodGet, path+query(cmd), nil, func(w io.Writer, page *admin.DeliveryPage) {
		row(w, "ID", "STATUS", "TYPE", "ATTEMPTS", "AT", "NEXT", "REASON")
		for i := range page.Items {
			d := &page.Items[i]
			row(w, d.ID, d.Status, d.Type, d.Attempts, stamp(&d.At), stamp(d.Next), reason(d))
		}
		cursor = page.NextCursor
	})
	more(cmd, cursor)
	return err
}

// reason says in one cell why a delivery is not delivered.
func reason(d *consume.Delivery) string {
	switch {
	case d.Reason != "":
		return d.Reason
	case d.Waits != "":
		return "waits for: " + d.Waits
	default:
		return "-"
	}
}

func deliveryRetryCommand() *cobra.Command {
	return &cobra.Command{
		Use: "retry ID", Short: "Attempt a delivery now",
		Long:    "Attempt a waiting or dead delivery now. A waiting one keeps its place in the schedule if it fails again.",
		Example: "  jethook delivery retry ep_...events:evt_...",
		Args:    exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			path := "/api/v1/deliveries/" + url.PathEscape(args[0]) + "/retry"
			return call(cmd, http.MethodPost, path, nil, func(w io.Writer, d *admin.RetriedDelivery) {
				row(w, d.ID+" is being attempted")
			})
		},
	}
}
