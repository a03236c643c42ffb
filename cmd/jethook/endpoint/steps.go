package endpoint

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/spf13/cobra"

	"jethook/cmd/jethook/cli"
	"jethook/cmd/jethook/client"
	"jethook/cmd/jethook/manifest"
	"jethook/consume/admin/endpoints"
)

// applied is one step as it is shown.
type applied struct {
	manifest.Step
	Secret string `json:"secret,omitempty"` // of a new endpoint that was given none
	Error  string `json:"error,omitempty"`
}

// take makes the steps, and shows each at once: a secret is shown this one time. One that fails does not keep the
// others from being made; applied again, the rest is made.
func (a *apply) take(cmd *cobra.Command, steps []manifest.Step) error {
	asJSON, err := cmd.Flags().GetBool("json")
	if err != nil {
		return err
	}
	var failures []error
	report := struct {
		DryRun bool      `json:"dry_run"`
		Steps  []applied `json:"endpoints"`
	}{a.dryRun, []applied{}}
	for _, step := range steps {
		done := applied{Step: step}
		if !a.dryRun {
			if err := a.one(cmd.Context(), &done); err != nil {
				done.Error = err.Error()
				failures = append(failures, fmt.Errorf("endpoint %s: %w", step.Name, err))
			}
		}
		report.Steps = append(report.Steps, done)
		if !asJSON {
			showStep(cmd.OutOrStdout(), &done, a.dryRun)
		}
	}
	if asJSON {
		text, err := json.Marshal(report)
		failures = append(failures, err, cli.Output(cmd, append(text, '\n')))
	}
	return errors.Join(failures...)
}

// one makes one step.
func (a *apply) one(ctx context.Context, s *applied) error {
	switch s.Action {
	case manifest.Create:
		var e endpoints.EndpointWithSecret
		if _, err := a.client.Ask(ctx, http.MethodPost, client.EndpointsPath, s.Body, &e); err != nil {
			return err
		}
		s.ID = e.ID
		if _, given := s.Body["secret"]; !given {
			s.Secret = e.Secret
		}
		return nil
	case manifest.Change:
		_, err := a.client.Do(ctx, http.MethodPatch, client.EndpointPath(s.ID), s.Body)
		return err
	case manifest.Remove:
		_, err := a.client.Do(ctx, http.MethodDelete, client.EndpointPath(s.ID), nil)
		return err
	default:
		return nil
	}
}

// stepWords say what was done, or would be.
var stepWords = map[manifest.Action][2]string{
	manifest.Create: {"created", "would be created"},
	manifest.Change: {"changed", "would be changed"},
	manifest.Remove: {"removed", "would be removed"},
	manifest.Keep:   {"up to date", "up to date"},
}

func showStep(w io.Writer, s *applied, dryRun bool) {
	word := stepWords[s.Action][0]
	switch {
	case dryRun:
		word = stepWords[s.Action][1]
	case s.Error != "":
		word = "FAILED"
	}
	name := s.Name
	if s.ID != "" {
		name += " (" + s.ID + ")"
	}
	cli.Row(w, name+": "+word)
	for _, d := range s.Differences {
		switch {
		case d.From == nil:
			cli.Row(w, "  "+d.Field+": "+*d.To)
		case d.To == nil:
			cli.Row(w, "  "+d.Field+": "+*d.From+" -> (default)")
		default:
			cli.Row(w, "  "+d.Field+": "+*d.From+" -> "+*d.To)
		}
	}
	if s.Secret != "" {
		cli.Row(w, "  secret: "+s.Secret)
	}
}
