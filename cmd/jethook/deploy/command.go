package deploy

import (
	"io"

	"github.com/spf13/cobra"

	"jethook/cmd/jethook/cli"
)

// Command returns jethook deploy with a command for each kind of deployment.
func Command() *cobra.Command {
	cmd := &cobra.Command{
		Use: "deploy", Short: "Print a deployment for Kubernetes, Docker Compose or systemd",
		Long: "Print a deployment to read, change, and apply. It contains no secrets; comments at its top say which ones it needs and how to create them.",
		Args: cobra.ArbitraryArgs, RunE: cli.NeedsCommand,
	}
	cmd.AddCommand(kubernetesCommand(), composeClusterCommand(), systemdCommand())
	return cmd
}

// addFlags adds the flags that each deployment has.
func addFlags(cmd *cobra.Command, o *Options) {
	cmd.Flags().StringVar(&o.Name, "name", "jethook", "name of the deployment")
	cmd.Flags().StringSliceVar(&o.Sources, "source", nil, "source to receive from; may be repeated, or a comma-separated list")
}

func addImageFlag(cmd *cobra.Command, o *Options) {
	cmd.Flags().StringVar(&o.Image, "image", "jethook", "container image")
}

func kubernetesCommand() *cobra.Command {
	var o Kubernetes
	var mode string
	cmd := &cobra.Command{
		Use: "kubernetes", Short: "Print manifests for Kubernetes",
		Long: "Print manifests for Kubernetes 1.30 or newer: 'jethook serve' as a StatefulSet with a volume, or with --mode cluster " +
			"'jethook ingest' and 'jethook consume' as Deployments on a NATS cluster, with disruption budgets and autoscalers.",
		Example: "  jethook deploy kubernetes --image registry.example.com/jethook:v1.2.3 --source polar | kubectl apply -f -\n" +
			"  jethook deploy kubernetes --mode cluster --nats-url nats://nats.nats:4222 --replicas 2 --service-monitor",
		Args: cli.ExactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if mode != "serve" && mode != "cluster" {
				return cli.Usagef("--mode: %q is neither serve nor cluster", mode)
			}
			o.Cluster = mode == "cluster"
			if o.Cluster && !cmd.Flags().Changed("replicas") {
				o.Replicas = 2
			}
			return printDeployment(cmd, o.Check(), func(w io.Writer) error { return WriteKubernetes(w, o) })
		},
	}
	addFlags(cmd, &o.Options)
	addImageFlag(cmd, &o.Options)
	flags := cmd.Flags()
	flags.StringVar(&mode, "mode", "serve", "serve: one process with its own NATS server; cluster: many processes on a NATS cluster")
	flags.StringVar(&o.Namespace, "namespace", "jethook", "namespace")
	flags.StringVar(&o.NATSURL, "nats-url", "", "with --mode cluster: addresses of the NATS cluster, without a login")
	flags.BoolVar(&o.NATSCreds, "nats-creds", false, "with --mode cluster: the Secret holds a credentials file, nats.creds")
	flags.IntVar(&o.Replicas, "replicas", 1, "minimum number of processes of each kind; with --mode cluster the default is 2")
	flags.StringVar(&o.Storage, "storage", "20Gi", "size of the volume, without --mode cluster")
	flags.BoolVar(&o.ServiceMonitor, "service-monitor", false, "add a ServiceMonitor for the Prometheus operator")
	flags.BoolVar(&o.NetworkPolicy, "network-policy", false, "add network policies")
	flags.BoolVar(&o.MetricsAdapter, "metrics-adapter", false, "also scale consume by overdue deliveries; needs an adapter for external metrics")
	return cmd
}

func composeClusterCommand() *cobra.Command {
	var o Options
	cmd := &cobra.Command{
		Use: "compose-cluster", Short: "Print a compose file with a cluster of three NATS servers",
		Long:    "Print a compose file with three NATS servers, two 'jethook ingest' and two 'jethook consume'.",
		Example: "  jethook deploy compose-cluster --source polar > compose.yaml",
		Args:    cli.ExactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return printDeployment(cmd, o.Check(), func(w io.Writer) error { return WriteComposeCluster(w, o) })
		},
	}
	addFlags(cmd, &o)
	addImageFlag(cmd, &o)
	return cmd
}

func systemdCommand() *cobra.Command {
	o := Systemd{Options: Options{Image: "jethook"}}
	cmd := &cobra.Command{
		Use: "systemd", Short: "Print a hardened unit for systemd",
		Example: "  jethook deploy systemd --source polar > /etc/systemd/system/jethook.service",
		Args:    cli.ExactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return printDeployment(cmd, o.Check(), func(w io.Writer) error { return WriteSystemd(w, o) })
		},
	}
	addFlags(cmd, &o.Options)
	cmd.Flags().StringVar(&o.Binary, "binary", "/usr/local/bin/jethook", "where the binary is")
	return cmd
}

func printDeployment(cmd *cobra.Command, wrong error, write func(io.Writer) error) error {
	if wrong != nil {
		return cli.Usage(wrong)
	}
	return write(cmd.OutOrStdout())
}
