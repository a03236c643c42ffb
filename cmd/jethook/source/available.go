package source

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"jethook/cmd/jethook/cli"
	"jethook/ingest/provider"
)

// availableSender is a sender of the table as it is printed.
type availableSender struct {
	Name       string   `json:"name"`
	Title      string   `json:"title"`
	VerifiedBy string   `json:"verified_by"`
	CoversBody bool     `json:"covers_body"`
	Coverage   string   `json:"coverage"`         // CoversBody in words
	NotCovered []string `json:"not_covered"`      // of body, type and id
	Caveat     string   `json:"caveat,omitempty"` // what else is left open
	Secrets    []string `json:"body_secrets"`     // fields of the body, which is stored and delivered
	Secret     string   `json:"secret"`           // what to set
	Type       string   `json:"type"`
	ID         string   `json:"id"`
	Success    int      `json:"success"`
	Refusal    int      `json:"refusal"`
	Body       string   `json:"success_body,omitempty"`
	Wait       string   `json:"wait,omitempty"` // a duration; empty where the sender's pages don't say
	NeedsURL   bool     `json:"needs_url"`
	Splits     string   `json:"splits,omitempty"` // where a request holds several events
	Handshakes []string `json:"handshakes"`
	Docs       string   `json:"docs,omitempty"`
}

func newAvailableSender(s provider.Sender) availableSender {
	a := availableSender{
		Name: s.Name, Title: s.Title, VerifiedBy: s.Scheme.String(), CoversBody: s.Scheme.CoversBody(), Coverage: coverage(s.Scheme),
		NotCovered: append([]string{}, s.NotCovered()...), Caveat: s.Caveat, Secrets: append([]string{}, s.BodySecrets...),
		Secret: s.Secret, Type: s.TypeAt().String(), ID: s.IDAt().String(), Success: s.Success.Status, Refusal: s.Refusal.Status,
		Body: s.Success.Body, NeedsURL: s.NeedsURL, Handshakes: []string{}, Docs: s.Docs,
	}
	if s.Batch != nil {
		a.Splits = s.Batch.String()
	}
	if a.ID == "" {
		a.ID = s.HashWords()
	}
	if s.Wait > 0 {
		a.Wait = s.Wait.String()
	}
	for _, h := range s.Handshakes {
		a.Handshakes = append(a.Handshakes, h.Name)
	}
	return a
}

// open is what is not covered, in words.
func (a *availableSender) open() string {
	words := strings.Join(a.NotCovered, ", ")
	switch {
	case words == "":
		return cmp.Or(a.Caveat, "-")
	case a.Caveat != "":
		words += "; " + a.Caveat
	}
	return words
}

// coverage is whether a scheme covers the body, in words.
func coverage(s provider.Scheme) string {
	if s.CoversBody() {
		return "yes"
	}
	switch s := s.(type) {
	case provider.Token, provider.Basic:
		return "no: token only"
	case provider.JWT:
		if s.BodyHash == "" {
			return "no: token only"
		}
	}
	return "no: a part only"
}

// listAvailable prints the table of senders. It needs no server.
func listAvailable(cmd *cobra.Command) error {
	senders := []availableSender{}
	for _, s := range provider.All() {
		senders = append(senders, newAvailableSender(s))
	}
	asJSON, err := cmd.Flags().GetBool("json")
	if err != nil {
		return err
	}
	if cmd.Flags().Changed("admin") {
		return cli.Usagef("--available needs no server; remove --admin")
	}
	if asJSON {
		text, err := json.Marshal(map[string]any{"items": senders})
		if err != nil {
			return fmt.Errorf("encoding the senders: %w", err)
		}
		return cli.Output(cmd, append(text, '\n'))
	}
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	cli.Row(w, "NAME", "TITLE", "COVERS BODY", "VERIFIED BY", "TYPE", "ID", "SUCCESS", "REFUSAL", "WAIT", "DOCS", "NOT COVERED", "SECRETS IN BODY")
	for _, s := range senders {
		wait := s.Wait
		if wait == "" {
			wait = "-"
		}
		cli.Row(w, s.Name, s.Title, s.Coverage, s.VerifiedBy, s.Type, s.ID, s.Success, s.Refusal, wait, cmp.Or(s.Docs, "-"), s.open(), cmp.Or(strings.Join(s.Secrets, ", "), "-"))
	}
	return w.Flush()
}
