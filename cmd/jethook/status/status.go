// Package status is the command jethook status: it shows what is stuck, what is in trouble first.
package status

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"jethook/cmd/jethook/cli"
	"jethook/cmd/jethook/client"
	"jethook/consume/status"
)

// watchEvery is the pause between two looks of --watch.
const watchEvery = 2 * time.Second

// Command returns jethook status.
func Command() *cobra.Command {
	var all, watch bool
	cmd := &cobra.Command{
		Use: "status", Short: "Show what is stuck",
		Long: "Show what is stuck: the state of each endpoint, worst first, then the streams, queues, sources, " +
			"and processes. Endpoints that have nothing waiting and were idle for the last hour are omitted.\n\n" +
			"Endpoint states: healthy; failing (the last request failed); open (its circuit is open: it keeps failing, and gets only probes); disabled." + client.Help,
		Example: `  jethook status
  jethook status --watch
  jethook status --endpoint billing --json`,
		Args: cli.ExactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !watch {
				return show(cmd, all, "")
			}
			if asJSON, err := cmd.Flags().GetBool("json"); err != nil || asJSON || !cli.IsTerminal(cmd.OutOrStdout()) {
				return errors.Join(err, cli.Usagef("--watch needs a terminal and can't be combined with --json"))
			}
			return keepShowing(cmd, all)
		},
	}
	client.AddFlags(cmd)
	client.AddFilters(cmd, "endpoint")
	cmd.Flags().BoolVar(&all, "all", false, "show idle endpoints too")
	cmd.Flags().BoolVar(&watch, "watch", false, "refresh every 2 seconds until Ctrl-C")
	return cmd
}

// clearScreen empties a terminal and goes to its first line.
const clearScreen = "\x1b[H\x1b[2J"

// keepShowing shows the status again and again. A look that fails is told, and followed by the next one.
func keepShowing(cmd *cobra.Command, all bool) error {
	t := time.NewTicker(watchEvery)
	defer t.Stop()
	for {
		if err := show(cmd, all, clearScreen); err != nil && cmd.Context().Err() == nil {
			fmt.Fprintf(cmd.ErrOrStderr(), "jethook: %v\n", err)
		}
		select {
		case <-t.C:
		case <-cmd.Context().Done():
			return nil
		}
	}
}

func show(cmd *cobra.Command, all bool, before string) error {
	chosen := cmd.Flags().Changed("endpoint")
	return client.Call(cmd, http.MethodGet, "/api/v1/status"+client.Query(cmd), nil, func(w io.Writer, s *status.Status) {
		io.WriteString(w, before) // into memory
		writeStatus(w, s, all || chosen)
	})
}
