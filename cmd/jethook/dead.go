package main

import (
	"errors"
	"io"
	"net/http"

	"github.com/spf13/cobra"

	"jethook/consume/admin"
)

func deadCommand() *cobra.Command {
	return clientGroup("dead", "See and replay dead letters: deliveries that failed for good",
		deadListCommand(), deadReplayCommand())
}

func deadListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "ls", Short: "List dead letters, newest first",
		Example: "  jethook dead ls --endpoint ep_... --since 24h",
		Args:    exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return listDeliveries(cmd, "/api/v1/dead")
		},
	}
	addFilters(cmd, "endpoint", "since", "until", "limit", "cursor")
	return cmd
}

func deadReplayCommand() *cobra.Command {
	var all bool
	var r admin.ReplayRequest
	cmd := &cobra.Command{
		Use: "replay [ID...]", Short: "Deliver dead letters again",
		Long: "Deliver dead letters again, now and with a new schedule: those with the given ids, or those that the filters choose, " +
			"or all. It prints how many.",
		Example: `  jethook dead replay ep_...events:evt_...
  jethook dead replay --endpoint ep_... --since 24h
  jethook dead replay --all`,
		RunE: func(cmd *cobra.Command, args []string) error {
			r.IDs = args
			filtered := r.Endpoint != "" || r.Since != "" || r.Until != ""
			switch {
			case len(args) > 0 && (filtered || all), all && filtered:
				return usageError{errors.New("give ids, or filters, or --all, not several of them")}
			case len(args) == 0 && !filtered && !all:
				return usageError{errors.New("which ones? Give ids, or --endpoint, --since, --until, or --all")}
			}
			return call(cmd, http.MethodPost, "/api/v1/dead/replay", &r, func(w io.Writer, done *admin.Replayed) {
				row(w, "replayed:", done.Replayed)
			})
		},
	}
	cmd.Flags().StringVar(&r.Endpoint, "endpoint", "", filters["endpoint"])
	cmd.Flags().StringVar(&r.Since, "since", "", filters["since"])
	cmd.Flags().StringVar(&r.Until, "until", "", filters["until"])
	cmd.Flags().BoolVar(&all, "all", false, "every dead letter")
	return cmd
}
