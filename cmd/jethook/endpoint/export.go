package endpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"jethook/cmd/jethook/cli"
	"jethook/cmd/jethook/client"
	"jethook/cmd/jethook/manifest"
	"jethook/consume/admin/endpoints"
	"jethook/consume/endpoint"
)

func exportCommand() *cobra.Command {
	var secrets bool
	cmd := &cobra.Command{
		Use: "export [ENDPOINT...]", Short: "Print endpoints in the format that apply reads",
		Long: "Print the endpoints with these ids or names, or all endpoints, as YAML for 'jethook endpoint apply'; with --json as JSON, which it also reads. " +
			"Applying the output to the same server changes nothing. The output contains header values, which may be credentials, but no secrets unless you pass --secrets.",
		Example: `  jethook endpoint export > endpoints.yaml
  jethook endpoint export billing alerts
  jethook endpoint export --secrets | jethook endpoint apply -f - --admin https://other.example`,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := client.New(cmd)
			if err != nil {
				return err
			}
			all, err := c.Endpoints(cmd.Context())
			if err != nil {
				return err
			}
			if all, err = chosen(all, args); err != nil {
				return err
			}
			values := map[string]endpoints.RevealedSecret{}
			for i := range all {
				if !secrets {
					break
				}
				if values[all[i].ID], err = c.Reveal(cmd.Context(), all[i].ID); err != nil {
					return err
				}
			}
			entries, err := manifest.Of(all, values)
			if err != nil {
				return err
			}
			warnOfTwins(cmd, all)
			return printManifest(cmd, entries)
		},
	}
	cmd.Flags().BoolVar(&secrets, "secrets", false, "include the secrets; the server logs that it revealed them")
	return cmd
}

// chosen returns the endpoints with some ids or names, in the order of the list; all of them if there are none.
func chosen(all []endpoint.Endpoint, names []string) ([]endpoint.Endpoint, error) {
	if len(names) == 0 {
		return all, nil
	}
	ids, err := client.IDsIn(all, names)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		if !slices.ContainsFunc(all, func(e endpoint.Endpoint) bool { return e.ID == id }) {
			return nil, client.NoEndpoint(id)
		}
	}
	return slices.DeleteFunc(all, func(e endpoint.Endpoint) bool { return !slices.Contains(ids, e.ID) }), nil
}

func printManifest(cmd *cobra.Command, entries []endpoints.EndpointFields) error {
	asJSON, err := cmd.Flags().GetBool("json")
	if err != nil {
		return err
	}
	if !asJSON {
		text, err := manifest.YAML(entries)
		return errors.Join(err, cli.Output(cmd, text))
	}
	text, err := json.Marshal(map[string]any{"endpoints": entries})
	return errors.Join(err, cli.Output(cmd, append(text, '\n')))
}

// warnOfTwins tells of names that apply would refuse.
func warnOfTwins(cmd *cobra.Command, all []endpoint.Endpoint) {
	seen := map[string]string{}
	for i := range all {
		e := &all[i]
		if other, twice := seen[e.Name]; twice {
			fmt.Fprintf(cmd.ErrOrStderr(), "Warning: %s and %s have the same name; 'jethook endpoint apply' refuses both until one is renamed.\n", other, e.ID)
		}
		seen[e.Name] = e.ID
	}
}
