package endpoint

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"jethook/cmd/jethook/cli"
	"jethook/cmd/jethook/client"
	"jethook/consume/admin/message"
	"jethook/consume/admin/trials"
)

// errNotTaken is a test that the endpoint did not answer with a success: exit code 1.
var errNotTaken = errors.New("the endpoint did not accept the test")

func testCommand() *cobra.Command {
	var eventType, data string
	cmd := client.TakesEndpoint(&cobra.Command{
		Use: "test ENDPOINT", Short: "Send a signed test event to an endpoint and show the response",
		Long: "Send a signed test event to an endpoint, even a disabled one, and show the request and the response. A test is not a delivery: it is not " +
			"recorded in the history and not retried. The exit code is 1 if the endpoint does not answer with 2xx.",
		Example: `  jethook endpoint test billing
  jethook endpoint test ep_... --type order.created --data '{"id": 7}'`,
	}, func(cmd *cobra.Command, id string) error {
		if !cmd.Flags().Changed("data") {
			return testEndpoint(cmd, id, trials.TrialRequest{Type: eventType})
		}
		content, err := cli.ReadData(data, cmd.InOrStdin())
		if err != nil {
			return err
		}
		body, err := client.EventBody(eventType, "", content)
		if err != nil {
			return err
		}
		return testEndpoint(cmd, id, body)
	})
	cmd.Flags().StringVar(&eventType, "type", "", "the event type (default jethook.test)")
	cmd.Flags().StringVar(&data, "data", "", "the body: JSON, @FILE, or - for standard input (default: a short message)")
	return cmd
}

func testEndpoint(cmd *cobra.Command, id string, body any) error {
	var trial trials.Trial
	raw, err := client.Ask(cmd, http.MethodPost, client.EndpointPath(id)+"/test", body, &trial)
	if err != nil {
		return err
	}
	if err := client.Display(cmd, raw, func(w io.Writer) { showTrial(w, &trial) }); err != nil {
		return err
	}
	if !trial.Taken {
		return fmt.Errorf("%w: %s", errNotTaken, trial.Detail)
	}
	return nil
}

// showTrial writes a test as its request, its answer, and what to think of it.
func showTrial(w io.Writer, t *trials.Trial) {
	if r := t.Request; r != nil {
		cli.Row(w, r.Method+" "+r.URL)
		showMessage(w, r.Headers, r.Content)
	}
	if r := t.Response; r != nil {
		cli.Row(w, strings.TrimSpace(fmt.Sprintf("%d %s", r.Status, http.StatusText(r.Status))))
		showMessage(w, r.Headers, r.Content)
		if r.Truncated {
			cli.Row(w, "(the response is longer, or was cut off)")
		}
	}
	cli.Row(w, fmt.Sprintf("%s after %d ms", t.Class, t.Duration))
}

// showMessage writes headers and a body, with an empty line after each.
func showMessage(w io.Writer, headers []message.Header, c message.Content) {
	for _, h := range headers {
		cli.Row(w, h.Name+": "+h.Value)
	}
	cli.Row(w)
	if c.Body == "" {
		return
	}
	if c.Encoding != "text" {
		cli.Row(w, "(base64)")
	}
	for line := range strings.Lines(c.Body) {
		cli.Row(w, strings.ReplaceAll(strings.TrimRightFunc(line, unicode.IsSpace), "\t", "    "))
	}
	cli.Row(w)
}

// maxPreviewData bounds, in bytes, a body that goes into a URL, where it can become three times as long.
const maxPreviewData = 8 << 10

func previewCommand() *cobra.Command {
	var reveal bool
	var data string
	cmd := client.TakesEndpoint(&cobra.Command{
		Use: "preview ENDPOINT", Short: "Print the request that would be sent to an endpoint",
		Long: "Print, as a curl command, the exact signed request that would be sent to an endpoint now: for a stored event, for a waiting or dead " +
			"delivery, or for a sample if you pass neither. Nothing is sent. Anyone who has the output can send it, so treat it as a secret. " +
			"Credentials are hidden unless you pass --reveal; without them the endpoint rejects the request.",
		Example: `  jethook endpoint preview ep_... --event evt_...
  jethook endpoint preview ep_... --delivery ep_...events:evt_...
  jethook endpoint preview ep_... --type order.created --data '{"id": 7}' --reveal | sh`,
	}, func(cmd *cobra.Command, id string) error {
		q := url.Values{}
		for _, name := range []string{"event", "delivery", "type"} {
			if f := cmd.Flags().Lookup(name); f.Changed {
				q.Set(name, f.Value.String())
			}
		}
		if cmd.Flags().Changed("data") {
			content, err := cli.ReadData(data, cmd.InOrStdin())
			if err != nil {
				return err
			}
			if len(content) > maxPreviewData {
				return cli.Usagef("--data is longer than %d bytes; send it as an event and pass --event instead", maxPreviewData)
			}
			q.Set("data", string(content))
		}
		if reveal {
			q.Set("reveal", "true")
		}
		path := client.EndpointPath(id) + "/preview?" + q.Encode()
		return client.Call(cmd, http.MethodGet, path, nil, func(w io.Writer, p *trials.Preview) {
			io.WriteString(w, p.Curl+"\n") // lines of a command, which the API made fit for a terminal
		})
	})
	cmd.Flags().String("event", "", "a stored event's id, or its position, such as EVENTS-17")
	cmd.Flags().String("delivery", "", "the id of a waiting or dead delivery")
	cmd.Flags().String("type", "", "the sample's event type (default jethook.test)")
	cmd.Flags().StringVar(&data, "data", "", "the sample's body: JSON, @FILE, or - for standard input")
	cmd.Flags().BoolVar(&reveal, "reveal", false, "show credentials")
	return cmd
}
