package main

import (
	_ "embed"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/spf13/cobra"

	"jethook/cmd/jethook/bench"
	"jethook/cmd/jethook/cli"
	"jethook/config"
	"jethook/consume"
	"jethook/consume/admin"
	"jethook/ingest"
	"jethook/ingest/provider"
	"jethook/publish"
)

//go:embed README.md
var commandsManual string

// topic is a page of the manual.
type topic struct {
	name, about string
	folder      string // of its README.md, from the repository's top
	text        string
}

var topics = []topic{
	{"receive", "sources and their options, secrets, duplicates, rejected requests", "ingest", ingest.Manual},
	{"senders", "the table of known senders", "ingest/provider", provider.Manual},
	{"deliver", "signatures, retries, limits, order, what is stuck, recovery, glossary", "consume", consume.Manual},
	{"api", "conventions of the admin API", "consume/admin", admin.Manual},
	{"nats", "subscribing, streams, logins, clusters, disk, encryption", "publish", publish.Manual},
	{"config", "every environment variable", "config", config.Manual},
	{"commands", "the command line, endpoints as code, listen", "cmd/jethook", commandsManual},
	{"speed", "figures, and how to measure them", "cmd/jethook/bench", bench.Manual},
}

// findTopic returns the topic for which match is true.
func findTopic(match func(topic) bool) (topic, bool) {
	for _, t := range topics {
		if match(t) {
			return t, true
		}
	}
	return topic{}, false
}

// link says in a terminal what a link of the topic's page leads to; empty where the link's text is enough.
func (t topic) link(target string) string {
	if strings.Contains(target, "://") {
		return target
	}
	file, _, _ := strings.Cut(target, "#")
	other, ok := findTopic(func(o topic) bool { return o.folder+"/README.md" == path.Join(t.folder, file) })
	if !ok {
		return ""
	}
	return "see 'jethook help " + other.name + "'"
}

func listTopics(w io.Writer) error {
	text := "\nPages of the manual, for 'jethook help TOPIC':\n"
	for _, t := range topics {
		text += fmt.Sprintf("  %-11s %s\n", t.name, t.about)
	}
	_, err := io.WriteString(w, text)
	return err
}

// helpCommand is cobra's, which ends well also when there is no such command, and shows the pages of the manual too.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND... | TOPIC]", Short: "Show the help of a command, or a page of the manual",
		Example: "  jethook help endpoint add\n  jethook help senders",
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) (names []string, _ cobra.ShellCompDirective) {
			about, _, err := cmd.Root().Find(args)
			if err != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			for _, sub := range about.Commands() {
				if sub.IsAvailableCommand() {
					names = append(names, sub.Name()+"\t"+sub.Short)
				}
			}
			for _, t := range topics {
				if len(args) == 0 {
					names = append(names, t.name+"\t"+t.about)
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := cmd.Root().Find(args)
			if page, ok := findTopic(func(t topic) bool { return len(args) == 1 && t.name == args[0] }); ok {
				_, err := io.WriteString(cmd.OutOrStdout(), plain(page.text, page.link))
				return err
			}
			if err != nil || len(rest) > 0 || about == nil {
				return cli.Usagef("unknown command or topic %q; 'jethook help' lists both", strings.Join(args, " "))
			}
			about.InitDefaultHelpFlag()
			if err := about.Help(); err != nil || about.HasParent() {
				return err
			}
			return listTopics(cmd.OutOrStdout())
		},
	}
}
