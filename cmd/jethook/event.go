package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"jethook/cmd/jethook/cli"
	"jethook/cmd/jethook/client"
	"jethook/consume/admin"
)

func eventCommand() *cobra.Command {
	return client.Group("event", "Publish, list, and resend events, and see which endpoints get them",
		eventSendCommand(), eventListCommand(), eventShowCommand(), eventResendCommand(), eventMatchCommand())
}

func eventSendCommand() *cobra.Command {
	var data, id string
	cmd := &cobra.Command{
		Use: "send TYPE", Short: "Publish an event on events.TYPE",
		Long: "Publish an event on events.TYPE and print its id once it is stored.",
		Example: `  jethook event send order.created --data '{"id": 7}'
  jethook event send order.created --data @order.json --id order-7
  generate-order | jethook event send order.created --data -`,
		Args: cli.ExactArgs("TYPE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			content, err := readData(data, cmd.InOrStdin())
			if err != nil {
				return err
			}
			body, err := eventBody(args[0], id, content)
			if err != nil {
				return err
			}
			return client.Call(cmd, http.MethodPost, "/api/v1/events", body, func(w io.Writer, sent *admin.SentEvent) {
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

// readData returns what the value of --data stands for.
func readData(data string, stdin io.Reader) (content []byte, err error) {
	path, file := strings.CutPrefix(data, "@")
	switch {
	case data == "-":
		content, err = io.ReadAll(stdin)
	case file:
		content, err = os.ReadFile(path)
	default:
		content = []byte(data)
	}
	if err != nil {
		return nil, fmt.Errorf("reading --data: %w", err)
	}
	if !json.Valid(content) {
		return nil, cli.Usagef("--data is not valid JSON")
	}
	return content, nil
}

// eventBody encodes an event around its data, which encoding/json would not keep byte for byte.
func eventBody(eventType, id string, data []byte) (client.RawBody, error) {
	head, err := json.Marshal(struct {
		Type string `json:"type"`
		ID   string `json:"id,omitempty"`
	}{eventType, id})
	if err != nil {
		return nil, fmt.Errorf("encoding the event: %w", err)
	}
	body := append(head[:len(head)-1], `,"data":`...)
	return append(append(body, data...), '}'), nil
}
