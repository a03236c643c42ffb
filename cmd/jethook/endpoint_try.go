package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"jethook/consume/admin"
)

// errNotTaken is a test that the endpoint did not answer with a success: exit code 1.
var errNotTaken = errors.New("the endpoint did not take it")

func endpointTestCommand() *cobra.Command {
	var eventType, data string
	cmd := &cobra.Command{
		Use: "test ID", Short: "Send a signed sample to an endpoint and show what it answers",
		Long: "Send a signed sample to an endpoint now, also to a disabled one, and show the request and the answer. It is no delivery: it is not " +
			"in the history and is not tried again. The exit code is 1 when the endpoint did not answer with 2xx.",
		Example: `  jethook endpoint test ep_...
  jethook endpoint test ep_... --type order.created --data '{"id": 7}'`,
		Args: exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !cmd.Flags().Changed("data") {
				return testEndpoint(cmd, args[0], admin.TrialRequest{Type: eventType})
			}
			content, err := readData(data, cmd.InOrStdin())
			if err != nil {
				return err
			}
			body, err := eventBody(eventType, "", content)
			if err != nil {
				return err
			}
			return testEndpoint(cmd, args[0], body)
		},
	}
	cmd.Flags().StringVar(&eventType, "type", "", "the sample's event type (default jethook.test)")
	cmd.Flags().StringVar(&data, "data", "", "its body: JSON, or @FILE, or - for the standard input (default a few words)")
	return cmd
}

func testEndpoint(cmd *cobra.Command, id string, body any) error {
	var trial admin.Trial
	raw, err := ask(cmd, http.MethodPost, endpointPath(id)+"/test", body, &trial)
	if err != nil {
		return err
	}
	if err := display(cmd, raw, func(w io.Writer) { showTrial(w, &trial) }); err != nil {
		return err
	}
	if !trial.Taken {
		return fmt.Errorf("%w: %s", errNotTaken, trial.Detail)
	}
	return nil
}

// showTrial writes a test as its request, its answer, and what to think of it.
func showTrial(w io.Writer, t *admin.Trial) {
	if r := t.Request; r != nil {
		row(w, r.Method+" "+r.URL)
		showMessage(w, r.Headers, r.Content)
	}
	if r := t.Response; r != nil {
		row(w, strings.TrimSpace(fmt.Sprintf("%d %s", r.Status, http.StatusText(r.Status))))
		showMessage(w, r.Headers, r.Content)
		if r.Truncated {
			row(w, "(the answer is longer, or broke off)")
		}
	}
	row(w, fmt.Sprintf("%s after %d ms", t.Class, t.Duration))
}

// showMessage writes headers and a body, with an empty line after each.
func showMessage(w io.Writer, headers []admin.Header, c admin.Content) {
	for _, h := range headers {
		row(w, h.Name+": "+h.Value)
	}
	row(w)
	if c.Body == "" {
		return
	}
	if c.Encoding != "text" {
		row(w, "(in base64)")
	}
	for line := range strings.Lines(c.Body) {
		row(w, strings.ReplaceAll(strings.TrimRightFunc(line, unicode.IsSpace), "\t", "    "))
	}
	row(w)
}

// maxPreviewData bounds, in bytes, a body that goes into a URL, where it can become three times as long.
const maxPreviewData = 8 << 10

func endpointPreviewCommand() *cobra.Command {
	var reveal bool
	var data string
	cmd := &cobra.Command{
		Use: "preview ID", Short: "Print the request that an endpoint would get, and send nothing",
		Long: "Print the exact signed request that would go out to an endpoint now, as a curl command: of a stored event, of a delivery that waits " +
			"or is dead, or of a sample when neither is given. Nothing is sent. Whoever has the output can send it, so treat it as a secret. " +
			"Credentials are hidden unless --reveal is given; without them the endpoint refuses the command's request.",
		Example: `  jethook endpoint preview ep_... --event evt_...
  jethook endpoint preview ep_... --delivery ep_...events:evt_...
  jethook endpoint preview ep_... --type order.created --data '{"id": 7}' --reveal | sh`,
		Args: exactArgs("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			q := url.Values{}
			for _, name := range []string{"event", "delivery", "type"} {
				if f := cmd.Flags().Lookup(name); f.Changed {
					q.Set(name, f.Value.String())
				}
			}
			if cmd.Flags().Changed("data") {
				content, err := readData(data, cmd.InOrStdin())
				if err != nil {
					return err
				}
				if len(content) > maxPreviewData {
					return usageError{fmt.Errorf("--data is too long for a preview, at most %d bytes: send it as an event and give --event", maxPreviewData)}
				}
				q.Set("data", string(content))
			}
			if reveal {
				q.Set("reveal", "true")
			}
			path := endpointPath(args[0]) + "/preview?" + q.Encode()
			return call(cmd, http.MethodGet, path, nil, func(w io.Writer, p *admin.Preview) {
				io.WriteString(w, p.Curl+"\n") // lines of a command, which the API made fit for a terminal
			})
		},
	}
	cmd.Flags().String("event", "", "a stored event's id, or its place such as EVENTS-17")
	cmd.Flags().String("delivery", "", "the id of a delivery that waits or is dead")
	cmd.Flags().String("type", "", "a sample's event type (default jethook.test)")
	cmd.Flags().StringVar(&data, "data", "", "a sample's body: JSON, or @FILE, or - for the standard input")
	cmd.Flags().BoolVar(&reveal, "reveal", false, "show credentials")
	return cmd
}
