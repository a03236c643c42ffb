package client

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"jethook/cmd/jethook/cli"
	"jethook/consume/endpoint"
)

const EndpointsPath = "/api/v1/endpoints"

func EndpointPath(id string) string { return EndpointsPath + "/" + url.PathEscape(id) }

// byEndpoint runs a command on the endpoint whose id or name is the first argument.
func byEndpoint(run func(cmd *cobra.Command, id string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		ids, err := endpointIDs(cmd, args[:1])
		if err != nil {
			return err
		}
		return run(cmd, ids[0])
	}
}

// TakesEndpoint makes a command run on the endpoint whose id or name is its one argument, and completes both.
func TakesEndpoint(cmd *cobra.Command, run func(cmd *cobra.Command, id string) error) *cobra.Command {
	cmd.Args, cmd.RunE, cmd.ValidArgsFunction = cli.ExactArgs("ENDPOINT"), byEndpoint(run), FirstArg(completeEndpoints)
	return cmd
}

// TakesEndpointFlag lets the flag --endpoint of a command take names, and completes them.
func TakesEndpointFlag(cmd *cobra.Command) {
	cmd.PreRunE = resolveEndpointFlag
	if err := cmd.RegisterFlagCompletionFunc("endpoint", completeEndpoints); err != nil {
		panic(err) // the flag is missing
	}
}

// resolveEndpointFlag replaces names that the flag --endpoint holds by their ids.
func resolveEndpointFlag(cmd *cobra.Command, _ []string) error {
	flag := cmd.Flags().Lookup("endpoint")
	if !flag.Changed {
		return nil
	}
	list, several := flag.Value.(pflag.SliceValue)
	if several {
		ids, err := endpointIDs(cmd, list.GetSlice())
		if err != nil {
			return err
		}
		return list.Replace(ids)
	}
	ids, err := endpointIDs(cmd, []string{flag.Value.String()})
	if err != nil {
		return err
	}
	return flag.Value.Set(ids[0])
}

// endpointIDs returns the ids of endpoints that are given by id or name. An id is taken as it is, so that only names
// cost a request.
func endpointIDs(cmd *cobra.Command, given []string) ([]string, error) {
	if !slices.ContainsFunc(given, isName) {
		return given, nil
	}
	all, err := ReadEndpoints(cmd.Context(), cmd)
	if err != nil {
		return nil, err
	}
	return IDsIn(all, given)
}

// ReadEndpoints returns all endpoints of the server that a command is for.
func ReadEndpoints(ctx context.Context, cmd *cobra.Command) ([]endpoint.Endpoint, error) {
	c, err := New(cmd)
	if err != nil {
		return nil, err
	}
	return c.Endpoints(ctx)
}

// isName reports whether an argument is an endpoint's name and not its id.
func isName(text string) bool { return text != "" && !strings.HasPrefix(text, "ep_") }

// IDsIn is endpointIDs for endpoints that are read already.
func IDsIn(all []endpoint.Endpoint, given []string) ([]string, error) {
	ids := make([]string, len(given))
	for i, text := range given {
		ids[i] = text
		if !isName(text) {
			continue
		}
		named := IDsOf(all, text)
		switch len(named) {
		case 0:
			return nil, NoEndpoint(text)
		case 1:
			ids[i] = named[0]
		default:
			return nil, cli.Usagef("%d endpoints are named %q; use an id: %s", len(named), text, strings.Join(named, ", "))
		}
	}
	return ids, nil
}

func NoEndpoint(text string) error {
	return fmt.Errorf("no endpoint has the id or name %q; list them with 'jethook endpoint ls'", text)
}

func IDsOf(all []endpoint.Endpoint, name string) (ids []string) {
	for i := range all {
		if all[i].Name == name {
			ids = append(ids, all[i].ID)
		}
	}
	return ids
}

// EndpointNames returns what names an endpoint by its id in a table. It reads the names when the first is needed. Without
// them a table still says most, so that an error is no reason to show none.
func EndpointNames(cmd *cobra.Command) func(id string) string {
	read := sync.OnceValue(func() map[string]string {
		names := map[string]string{}
		all, err := ReadEndpoints(cmd.Context(), cmd)
		if err != nil {
			return names
		}
		for i := range all {
			names[all[i].ID] = all[i].Name
		}
		return names
	})
	return func(id string) string { return cmp.Or(read()[id], "-") }
}
