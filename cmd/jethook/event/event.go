// Package event is the command jethook event: it publishes, lists, shows and resends events.
package event

import (
	"io"
	"net/http"

	"github.com/spf13/cobra"

	"jethook/cmd/jethook/cli"
	"jethook/cmd/jethook/client"
	"jethook/consume/admin/events"
)

// Command returns jethook event with its verbs.
func Command() *cobra.Command {
	return client.Group("event", "Publish, list, and resend events, and see which endpoints get them",
		sendCommand(), listCommand(), showCommand(), resendCommand(), matchCommand())
}

func sendCommand() *cobra.Command {
	var data, id string
	cmd := &cobra.Command{
		Use: "send TYPE", Short: "Publish an event on events.TYPE",
		Long: "Publish an event on events.TYPE and print its id once it is stored.",
		Example: `  jethook event send order.created --data '{"id": 7}'
  jethook event send order.created --data @order.json --id order-7
  generate-order | jethook event send order.created --data -`,
		Args: cli.ExactArgs("TYPE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			content, err := cli.ReadData(data, cmd.InOrStdin())
			if err != nil {
				return err
			}
			body, err := client.EventBody(args[0], id, content)
			if err != nil {
				return err
			}
			return client.Call(cmd, http.MethodPost, "/api/v1/events", body, func(w io.Writer, sent *events.SentEvent) {
				if sent.Duplicate {
					cli.Row(w, sent.ID+" already exists; nothing was added")
					return
				}
				cli.Row(w, sent.ID)
			})
		},
	}
	cmd.Flags().StringVar(&data, "data", "{}", "the body: JSON, @FILE, or - for standard input")
	cmd.Flags().StringVar(&id, "id", "", "the event's id, so that sending it again adds nothing (default: generated)")
	return cmd
}
