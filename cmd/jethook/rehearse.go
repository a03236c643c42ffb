package main

import (
	"github.com/spf13/cobra"

	"jethook/cmd/jethook/cli"
	"jethook/consume/rehearsal"
)

// rehearseCommand is what a process that delivers runs as its child.
func rehearseCommand() *cobra.Command {
	return &cobra.Command{
		Use: "rehearse", Hidden: true, Args: cli.ExactArgs(),
		Short: "Try messages that may crash a process; run by jethook itself",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return rehearsal.Serve(cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
}
