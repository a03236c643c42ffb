// Package help is the command jethook help: it shows the help of a command, or a page of the manual as text for a terminal.
package help

import (
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/spf13/cobra"

	"jethook/cmd/jethook/cli"
)

// Topic is a page of the manual.
type Topic struct {
	Name, About string
	Folder      string // of its README.md, from the repository's top
	Text        string // in Markdown
}

// manual is all pages.
type manual []Topic

// find returns the topic for which match is true.
func (m manual) find(match func(Topic) bool) (Topic, bool) {
	for _, t := range m {
		if match(t) {
			return t, true
		}
	}
	return Topic{}, false
}

// link says in a terminal what a link of a topic's page leads to; empty where the link's text is enough.
func (m manual) link(from Topic, target string) string {
	if strings.Contains(target, "://") {
		return target
	}
	file, _, _ := strings.Cut(target, "#")
	other, ok := m.find(func(o Topic) bool { return o.Folder+"/README.md" == path.Join(from.Folder, file) })
	if !ok {
		return ""
	}
	return "see 'jethook help " + other.Name + "'"
}

func (m manual) list(w io.Writer) error {
	text := "\nPages of the manual, for 'jethook help TOPIC':\n"
	for _, t := range m {
		text += fmt.Sprintf("  %-11s %s\n", t.Name, t.About)
	}
	_, err := io.WriteString(w, text)
	return err
}

// Command returns a replacement of cobra's help, which also ends well when there is no such command, and shows the pages
// of the manual.
func Command(topics []Topic) *cobra.Command {
	pages := manual(topics)
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
			for _, t := range pages {
				if len(args) == 0 {
					names = append(names, t.Name+"\t"+t.About)
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := cmd.Root().Find(args)
			if page, ok := pages.find(func(t Topic) bool { return len(args) == 1 && t.Name == args[0] }); ok {
				_, err := io.WriteString(cmd.OutOrStdout(), plain(page.Text, func(target string) string { return pages.link(page, target) }))
				return err
			}
			if err != nil || len(rest) > 0 || about == nil {
				return cli.Usagef("unknown command or topic %q; 'jethook help' lists both", strings.Join(args, " "))
			}
			about.InitDefaultHelpFlag()
			if err := about.Help(); err != nil || about.HasParent() {
				return err
			}
			return pages.list(cmd.OutOrStdout())
		},
	}
}
