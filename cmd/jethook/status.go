package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"

	"jethook/consume/status"
)

// watchEvery is the pause between two looks of --watch.
const watchEvery = 2 * time.Second

func statusCommand() *cobra.Command {
	var all, watch bool
	cmd := &cobra.Command{
		Use: "status", Short: "Show what is stuck",
		Long: "Show what is stuck: the state of each endpoint, worst first, then the streams, queues, sources, " +
			"and processes. Endpoints that have nothing waiting and were idle for the last hour are omitted.\n\n" +
			"Endpoint states: healthy; failing (the last request failed); open (its circuit is open: it keeps failing, and gets only probes); disabled." + clientHelp,
		Example: `  jethook status
  jethook status --watch
  jethook status --endpoint billing --json`,
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !watch {
				return showStatus(cmd, all, "")
			}
			if asJSON, err := cmd.Flags().GetBool("json"); err != nil || asJSON || !isTerminal(cmd.OutOrStdout()) {
				return errors.Join(err, usageError{errors.New("--watch needs a terminal and can't be combined with --json")})
			}
			return watchStatus(cmd, all)
		},
	}
	addClientFlags(cmd)
	addFilters(cmd, "endpoint")
	cmd.Flags().BoolVar(&all, "all", false, "show idle endpoints too")
	cmd.Flags().BoolVar(&watch, "watch", false, "refresh every 2 seconds until Ctrl-C")
	return cmd
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// clearScreen empties a terminal and goes to its first line.
const clearScreen = "\x1b[H\x1b[2J"

// watchStatus shows the status again and again. A look that fails is told, and followed by the next one.
func watchStatus(cmd *cobra.Command, all bool) error {
	t := time.NewTicker(watchEvery)
	defer t.Stop()
	for {
		if err := showStatus(cmd, all, clearScreen); err != nil && cmd.Context().Err() == nil {
			fmt.Fprintf(cmd.ErrOrStderr(), "jethook: %v\n", err)
		}
		select {
		case <-t.C:
		case <-cmd.Context().Done():
			return nil
		}
	}
}

func showStatus(cmd *cobra.Command, all bool, before string) error {
	chosen := cmd.Flags().Changed("endpoint")
	return call(cmd, http.MethodGet, "/api/v1/status"+query(cmd), nil, func(w io.Writer, s *status.Status) {
		io.WriteString(w, before) // into memory
		writeStatus(w, s, all || chosen)
	})
}
