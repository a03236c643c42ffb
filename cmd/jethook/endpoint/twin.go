package endpoint

import (
	"fmt"
	"slices"
	"strings"

	"jethook/cmd/jethook/client"

	"github.com/spf13/cobra"
)

// warnOfTwin warns of other endpoints that have the name in fields, if there is one.
func warnOfTwin(cmd *cobra.Command, fields map[string]any, id string) error {
	name, given := fields["name"].(string)
	if !given {
		return nil
	}
	all, err := client.ReadEndpoints(cmd.Context(), cmd)
	if err != nil {
		return err
	}
	others := slices.DeleteFunc(client.IDsOf(all, name), func(other string) bool { return other == id })
	if len(others) > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "Warning: %s already has the name %q. Commands will need the id, and 'jethook endpoint apply' refuses names that are not unique.\n",
			strings.Join(others, ", "), name)
	}
	return nil
}
