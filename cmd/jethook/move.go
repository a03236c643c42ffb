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
		Use: "move --to URL", Short: "Move everything from the embedded server to a NATS cluster, while senders go on sending",
		Long: "Move everything from the embedded server to a NATS cluster, while senders go on sending. Run it with the settings of jethook serve, which may " +
			"run, and those of the cluster: JETHOOK_NATS_CREDS and the like, and JETHOOK_REPLICAS. jethook serve finishes the deliveries in flight " +
			"and goes on receiving. Once everything is copied, deliveries go on at the cluster; what still comes here is forwarded. The command ends " +
			"when jethook serve was stopped and everything is across. If it is killed, run it again: it goes on, or begins anew. What fails before " +
			"the cluster has everything is taken back.",
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
	cmd.Flags().BoolVar(&cancel, "cancel", false, "take a move back that was killed before the cluster had everything")
	cmd.Flags().BoolVar(&yes, "yes", false, "replace streams that exist on the cluster, without asking")
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
