// Package client asks the admin API for the commands: how they reach it, choose from its lists, name endpoints, and put what
// it answers into words. What only one command does is in that command's package.
package client

import (
	"github.com/spf13/cobra"

	"jethook/cmd/jethook/cli"
)

// Group is a noun: a command over the admin API that holds its verbs, which share how to reach it and
// how to print.
func Group(use, short string, verbs ...*cobra.Command) *cobra.Command {
	group := &cobra.Command{
		Use: use, Short: short, RunE: cli.NeedsCommand,
		Long: short + "." + Help,
	}
	AddFlags(group)
	group.AddCommand(verbs...)
	return group
}

// Help says in a command's help whom it asks.
const Help = "\n\nThe command calls the admin API at --admin or JETHOOK_ADMIN_LISTEN. It logs in with JETHOOK_ADMIN_TOKEN or, " +
	"on the server's machine, with the token in JETHOOK_DATA_DIR."

// AddFlags adds how to reach the admin API and how to print.
func AddFlags(cmd *cobra.Command) {
	flags := cmd.PersistentFlags()
	flags.String("admin", "", "address or URL of the admin API (default JETHOOK_ADMIN_LISTEN)")
	flags.Bool("json", false, "print the API's JSON unchanged")
}
