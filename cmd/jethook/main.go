// Command jethook is a bridge between webhooks and NATS JetStream. See the README.
//
// The package holds what runs the bridge: its parts, their listeners, metrics and secrets, backups, and the root of the
// commands. Each of the other commands is in a package of its name below.
package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"

	"jethook/cmd/jethook/audit"
	"jethook/cmd/jethook/cli"
	"jethook/cmd/jethook/dashboard"
	"jethook/cmd/jethook/delivery"
	"jethook/cmd/jethook/demo"
	"jethook/cmd/jethook/deploy"
	"jethook/cmd/jethook/endpoint"
	"jethook/cmd/jethook/event"
	"jethook/cmd/jethook/help"
	"jethook/cmd/jethook/listen"
	"jethook/cmd/jethook/monitoring"
	"jethook/cmd/jethook/recovery"
	"jethook/cmd/jethook/source"
	"jethook/cmd/jethook/status"
	"jethook/cmd/jethook/token"
	"jethook/cmd/jethook/verify"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal stops gracefully; after it the default is back, so that a second one kills.
	context.AfterFunc(ctx, stop)
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(70)
	}
	limitMemory(memlimit.FromCgroup)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	runtime.KeepAlive(ballast)
	os.Exit(code)
}

// ballast counts as used memory and is none, since nothing ever touches it. So a small heap, which turns over fast, is
// collected as seldom as by a GOGC of 300, and a large one as often as by 90: a burst takes an eighth less memory than by a
// GOGC of 150 with a third of the ballast, at the same rate, and retries that come due together a fifth less.
var ballast = make([]byte, 96<<20)

// limitMemory makes the collector work harder before the container's memory is used up, unless GOMEMLIMIT says how much may
// be. Where the container has no limit, or it can't be read, there is none.
func limitMemory(container memlimit.Provider) {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	const part = 0.9 // the rest is for what is not the heap's
	if limit, err := memlimit.ApplyRatio(container, part)(); err == nil && limit < math.MaxInt64-uint64(len(ballast)) {
		debug.SetMemoryLimit(int64(limit) + int64(len(ballast)))
	}
}

// Exit codes.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
)

// run executes one command line and returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot(stdout, stderr)
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	switch {
	case err == nil:
		return exitOK
	case cli.IsUsage(err):
		fmt.Fprintf(stderr, "jethook: %v\nSee '%s --help'.\n", err, cmd.CommandPath())
		return exitUsage
	default:
		fmt.Fprintf(stderr, "jethook: %v\n", err)
		return exitFailure
	}
}

func newRoot(stdout, stderr io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:   "jethook",
		Short: "A bridge between webhooks and NATS JetStream",
		Long: "Jethook receives webhooks, stores them in NATS JetStream, and delivers events to HTTP endpoints.\n\n" +
			"Start with 'jethook demo'. Configure it with JETHOOK_ environment variables: see 'jethook help config'. 'jethook help' lists\n" +
			"all pages of the manual.\n\n" +
			"Exit codes: 0 success, 1 failure, 2 incorrect usage or a value that the server rejects.",
		SilenceErrors: true,
		// As far as a slip of the fingers goes.
		SuggestionsMinimumDistance: 2,
		SilenceUsage:               true,
		Args:                       cobra.ArbitraryArgs, // so that needsCommand sees an unknown one
		RunE:                       cli.NeedsCommand,
		Version:                    version(),
	}
	root.SetVersionTemplate("jethook {{.Version}}\n")
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetHelpCommand(help.Command(topics))
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return cli.Usage(err) })
	root.AddCommand(
		serveCommand(), ingestCommand(), consumeCommand(), demo.Command(version(), openDemo), healthCommand(), versionCommand(),
		endpoint.Command(), event.Command(), delivery.Command(), delivery.AttemptCommand(), delivery.DeadCommand(), recovery.Command(),
		source.Command(), status.Command(), dashboard.Command(), listen.Command(version()), verify.Command(), audit.Command(), token.Command(),
		monitoring.Command(), deploy.Command(), backupCommand(), restoreCommand(), moveCommand(), benchCommand(), rehearseCommand(),
	)
	completeProperly(root)
	return root
}

// completeProperly gives cobra's command for shell completion our errors and examples.
func completeProperly(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	completion, _, err := root.Find([]string{"completion"})
	if err != nil {
		panic(err) // cobra has no such command any more
	}
	completion.Args, completion.RunE = nil, cli.NeedsCommand
	for _, shell := range completion.Commands() {
		shell.Args = cli.ExactArgs()
		shell.Example = "  jethook completion " + shell.Name() + " > jethook-completion"
	}
}

func versionCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  jethook version --json",
		Args:    cli.ExactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if asJSON {
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "{\"version\":%q}\n", version())
			} else {
				_, err = fmt.Fprintln(cmd.OutOrStdout(), "jethook", version())
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// buildVersion is set by the linker of a release: -ldflags "-X main.buildVersion=v1.2.3".
var buildVersion string

// version is the version of this binary: the release's, or the module's as go install knows it, or "dev".
func version() string {
	if buildVersion != "" {
		return buildVersion
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "dev"
}
