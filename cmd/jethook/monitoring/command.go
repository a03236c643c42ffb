package monitoring

import (
	"fmt"

	"github.com/spf13/cobra"

	"jethook/cmd/jethook/cli"
)

// Command returns jethook monitoring with a command for each file.
func Command() *cobra.Command {
	cmd := &cobra.Command{
		Use: "monitoring", Short: "Print a Grafana dashboard and alert rules for the metrics",
		Long: "Print a Grafana dashboard and Prometheus alert rules for what Jethook serves at /metrics. These commands need no running server.",
		Args: cobra.ArbitraryArgs, RunE: cli.NeedsCommand,
	}
	for _, part := range []struct{ use, short, example, text string }{
		{"grafana", "Print a dashboard to import into Grafana", "  jethook monitoring grafana > jethook.json", Dashboard},
		{"alerts", "Print alert rules for Prometheus", "  jethook monitoring alerts > /etc/prometheus/rules/jethook.yaml", Alerts},
	} {
		cmd.AddCommand(&cobra.Command{
			Use: part.use, Short: part.short, Example: part.example, Args: cli.ExactArgs(),
			RunE: func(cmd *cobra.Command, _ []string) error {
				_, err := fmt.Fprint(cmd.OutOrStdout(), part.text)
				return err
			},
		})
	}
	return cmd
}
