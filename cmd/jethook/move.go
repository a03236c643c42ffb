package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"jethook/cmd/jethook/cli"
	"jethook/config"
	"jethook/publish/failure"
	"jethook/publish/move"
)

func moveCommand() *cobra.Command {
	var to string
	var cancel, yes bool
	cmd := &cobra.Command{
		Use: "move --to URL", Short: "Move everything from the embedded server to a NATS cluster without stopping senders",
		Long: "Move everything from the embedded server to a NATS cluster without stopping senders. Run it with the settings of 'jethook serve', which may be " +
			"running, and those of the cluster, such as JETHOOK_NATS_CREDS and JETHOOK_REPLICAS. 'jethook serve' finishes the deliveries in flight " +
			"and keeps receiving. Once everything is copied, the cluster resumes deliveries, and the command forwards whatever still arrives here. It ends " +
			"when 'jethook serve' has stopped and everything is on the cluster. If it is killed, run it again: it continues or starts over. If it fails before " +
			"the cluster has everything, it undoes the move.",
		Example: `  JETHOOK_REPLICAS=3 jethook move --to nats://nats-1:4222,nats://nats-2:4222
  # deliver here again, if the cluster does not have everything yet
  jethook move --cancel`,
		Args: cli.ExactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			from, target, err := moveSettings(to, cancel)
			if err != nil {
				return err
			}
			o := move.Options{Version: version(), Force: yes, Progress: backupOptions(cmd).Progress, Log: quietLogger(cmd)}
			if cancel {
				return move.Cancel(cmd.Context(), from, o)
			}
			err = move.Run(cmd.Context(), from, target, o)
			if !errors.Is(err, failure.ErrOccupied) {
				return err
			}
			if err := cli.Confirm(cmd, err.Error()+". Replace them?"); err != nil {
				return err
			}
			o.Force = true
			return move.Run(cmd.Context(), from, target, o)
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "addresses of the NATS cluster, comma-separated, as in JETHOOK_NATS_URL")
	cmd.Flags().BoolVar(&cancel, "cancel", false, "undo a move that was killed before the cluster had everything")
	cmd.Flags().BoolVar(&yes, "yes", false, "replace existing streams on the cluster without asking")
	return cmd
}

// moveSettings are those of the embedded store, and those of the cluster.
func moveSettings(to string, cancel bool) (from, target *config.Config, err error) {
	if (to == "") != cancel {
		return nil, nil, cli.Usagef("pass either --to URL or --cancel")
	}
	for _, name := range []string{"JETHOOK_NATS_URL", "JETHOOK_NATS_URL_FILE"} {
		if strings.TrimSpace(os.Getenv(name)) != "" {
			return nil, nil, fmt.Errorf("%s is set, so there is no embedded server to move from; run the command with the settings of jethook serve", name)
		}
	}
	// The settings of the cluster's login are wrong without a cluster.
	if target, err = config.LoadFor(cmp.Or(to, "nats://none")); err != nil {
		return nil, nil, err
	}
	embedded := *target
	embedded.NATSURL, embedded.NATSDomain, embedded.Replicas = "", "", 1
	return &embedded, target, nil
}
