package delivery

import (
	"fmt"
	"io"
	"net/http"

	"github.com/spf13/cobra"

	"jethook/cmd/jethook/cli"
	"jethook/cmd/jethook/client"
	"jethook/consume/admin/deliveries"
)

// DeadCommand returns jethook dead with its verbs.
func DeadCommand() *cobra.Command {
	return client.Group("dead", "List, replay, and remove dead letters: deliveries that failed permanently",
		deadListCommand(), deadReplayCommand(), deadRemoveCommand())
}

func deadListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "ls", Short: "List dead letters, newest first",
		Example: "  jethook dead ls --endpoint ep_... --since 24h",
		Args:    cli.ExactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return list(cmd, "/api/v1/dead")
		},
	}
	client.AddFilters(cmd, "endpoint", "since", "until", "limit", "cursor")
	cmd.Flags().String("reason", "", "only those whose reason contains this text, ignoring case")
	return cmd
}

func deadReplayCommand() *cobra.Command {
	var all bool
	var r deliveries.ReplayRequest
	cmd := &cobra.Command{
		Use: "replay [ID...]", Short: "Deliver dead letters again",
		Long: "Deliver dead letters again, now and with a new retry schedule. Select them by id, by filters, or with --all; the oldest come first. " +
			"The command prints how many it replayed. If it is interrupted, run it again to continue.",
		Example: `  jethook dead replay ep_...events:evt_...
  jethook dead replay --endpoint ep_... --since 24h --reason "answered 503"
  jethook dead replay --all`,
		ValidArgsFunction: client.CompleteList("/api/v1/dead"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := chooseDead(&r.DeadChoice, args, all); err != nil {
				return err
			}
			n, err := inBulk(cmd, "replay", &r, &r.DeadChoice, func(done *deliveries.Replayed) (int, string) { return done.Replayed, done.NextCursor })
			if err != nil {
				return err
			}
			return client.Show(cmd, &deliveries.Replayed{Replayed: n}, func(w io.Writer) { cli.Row(w, "replayed:", n) })
		},
	}
	addDeadChoice(cmd, &r.DeadChoice)
	cmd.Flags().BoolVar(&all, "all", false, "all dead letters")
	return cmd
}

// inBulk makes a request of which one does only a part, with the cursor of choice, until all is done. It returns how many
// dead letters that were.
func inBulk[T any](cmd *cobra.Command, verb string, request any, choice *deliveries.DeadChoice, read func(*T) (n int, next string)) (sum int, err error) {
	for {
		answer, err := client.AskFor[T](cmd, http.MethodPost, "/api/v1/dead/"+verb, request)
		if err != nil && sum > 0 {
			return sum, fmt.Errorf("stopped after %d dead letters: %w", sum, err)
		}
		if err != nil {
			return 0, err
		}
		n, next := read(&answer)
		sum += n
		if choice.Cursor = next; next == "" {
			return sum, nil
		}
	}
}

func addDeadChoice(cmd *cobra.Command, c *deliveries.DeadChoice) {
	cmd.Flags().StringVar(&c.Endpoint, "endpoint", "", client.Filters["endpoint"])
	client.TakesEndpointFlag(cmd)
	cmd.Flags().StringVar(&c.Since, "since", "", client.Filters["since"])
	cmd.Flags().StringVar(&c.Until, "until", "", client.Filters["until"])
	cmd.Flags().StringVar(&c.Reason, "reason", "", "only those whose reason contains this text, ignoring case")
}

// chooseDead checks that ids, filters or all are given, and not several of them.
func chooseDead(c *deliveries.DeadChoice, ids []string, all bool) error {
	c.IDs = ids
	filtered := c.Endpoint != "" || c.Since != "" || c.Until != "" || c.Reason != ""
	switch {
	case len(ids) > 0 && (filtered || all), all && filtered:
		return cli.Usagef("specify only one of: ids, filters, --all")
	case len(ids) == 0 && !filtered && !all:
		return cli.Usagef("specify ids, or filters (--endpoint, --since, --until, --reason), or --all")
	}
	return nil
}

func deadRemoveCommand() *cobra.Command {
	var yes bool
	var r deliveries.RemoveRequest
	cmd := &cobra.Command{
		Use: "rm [ID...]", Short: "Remove dead letters permanently",
		Long: "Remove dead letters permanently. Select them by id, by filters, or with --all. The command asks first unless you pass ids. " +
			"It prints how many it removed. If it is interrupted, run it again to continue.",
		Example: `  jethook dead rm ep_...events:evt_...
  jethook dead rm --endpoint ep_... --until 168h
  jethook dead rm --all --yes`,
		ValidArgsFunction: client.CompleteList("/api/v1/dead"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := chooseDead(&r.DeadChoice, args, r.All); err != nil {
				return err
			}
			if len(args) == 0 && !yes {
				if err := cli.Confirm(cmd, "Remove these dead letters permanently?"); err != nil {
					return err
				}
			}
			n, err := inBulk(cmd, "remove", &r, &r.DeadChoice, func(done *deliveries.Removed) (int, string) { return done.Removed, done.NextCursor })
			if err != nil {
				return err
			}
			return client.Show(cmd, &deliveries.Removed{Removed: n}, func(w io.Writer) { cli.Row(w, "removed:", n) })
		},
	}
	addDeadChoice(cmd, &r.DeadChoice)
	cmd.Flags().BoolVar(&r.All, "all", false, "all dead letters")
	cmd.Flags().BoolVar(&yes, "yes", false, "don't ask")
	return cmd
}
