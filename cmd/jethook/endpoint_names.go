package main

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"jethook/consume/endpoint"
)

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

// takesEndpoint makes a command run on the endpoint whose id or name is its one argument, and completes both.
func takesEndpoint(cmd *cobra.Command, run func(cmd *cobra.Command, id string) error) *cobra.Command {
	cmd.Args, cmd.RunE, cmd.ValidArgsFunction = exactArgs("ENDPOINT"), byEndpoint(run), firstArg(completeEndpoints)
	return cmd
}

// takesEndpointFlag lets the flag --endpoint of a command take names, and completes them.
func takesEndpointFlag(cmd *cobra.Command) {
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
	all, err := readEndpoints(cmd.Context(), cmd)
	if err != nil {
		return nil, err
	}
	return idsIn(all, given)
}

// readEndpoints returns all endpoints of the server that a command is for.
func readEndpoints(ctx context.Context, cmd *cobra.Command) ([]endpoint.Endpoint, error) {
	c, err := newClient(cmd)
	if err != nil {
		return nil, err
	}
	return c.allEndpoints(ctx)
}

// isName reports whether an argument is an endpoint's name and not its id.
func isName(text string) bool { return text != "" && !strings.HasPrefix(text, "ep_") }

// idsIn is endpointIDs for endpoints that are read already.
func idsIn(all []endpoint.Endpoint, given []string) ([]string, error) {
	ids := make([]string, len(given))
	for i, text := range given {
		ids[i] = text
		if !isName(text) {
			continue
		}
		named := idsOf(all, text)
		switch len(named) {
		case 0:
			return nil, noEndpoint(text)
		case 1:
			ids[i] = named[0]
		default:
			return nil, usageError{fmt.Errorf("%d endpoints are named %q; use an id: %s", len(named), text, strings.Join(named, ", "))}
		}
	}
	return ids, nil
}

func noEndpoint(text string) error {
	return fmt.Errorf("no endpoint has the id or name %q; list them with 'jethook endpoint ls'", text)
}

func idsOf(all []endpoint.Endpoint, name string) (ids []string) {
	for i := range all {
		if all[i].Name == name {
			ids = append(ids, all[i].ID)
		}
	}
	return ids
}

// warnOfTwin warns of other endpoints that have the name in fields, if there is one.
func warnOfTwin(cmd *cobra.Command, fields map[string]any, id string) error {
	name, given := fields["name"].(string)
	if !given {
		return nil
	}
	all, err := readEndpoints(cmd.Context(), cmd)
	if err != nil {
		return err
	}
	others := slices.DeleteFunc(idsOf(all, name), func(other string) bool { return other == id })
	if len(others) > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "Warning: %s already has the name %q. Commands will need the id, and 'jethook endpoint apply' refuses names that are not unique.\n",
			strings.Join(others, ", "), name)
	}
	return nil
}

// endpointNames returns what names an endpoint by its id in a table. It reads the names when the first is needed. Without
// them a table still says most, so that an error is no reason to show none.
func endpointNames(cmd *cobra.Command) func(id string) string {
	read := sync.OnceValue(func() map[string]string {
		names := map[string]string{}
		all, err := readEndpoints(cmd.Context(), cmd)
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

// completionTime is how long a shell waits for the API to complete an argument.
const completionTime = 2 * time.Second

// completeEndpoints completes endpoints: by name, or by id where that was begun or the name is not unique.
func completeEndpoints(cmd *cobra.Command, _ []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(cmd.Context(), completionTime)
	defer cancel()
	all, err := readEndpoints(ctx, cmd)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var found []cobra.Completion
	for i := range all {
		e := &all[i]
		switch byID := len(idsOf(all, e.Name)) > 1 || begun != "" && strings.HasPrefix(e.ID, begun); {
		case byID && strings.HasPrefix(e.ID, begun):
			found = append(found, cobra.CompletionWithDesc(e.ID, e.Name))
		case !byID && strings.HasPrefix(e.Name, begun):
			found = append(found, cobra.CompletionWithDesc(e.Name, e.ID))
		}
	}
	return found, cobra.ShellCompDirectiveNoFileComp
}

// completeList completes by the ids, or else the names, of the first page of a list of the API.
func completeList(path string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTime)
		defer cancel()
		var page struct {
			Items []struct {
				ID   string `json:"id"`
				Name string `json:"name"`
			} `json:"items"`
		}
		c, err := newClient(cmd)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		if _, err := c.ask(ctx, http.MethodGet, path, nil, &page); err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var found []cobra.Completion
		for _, item := range page.Items {
			if text := cmp.Or(item.ID, item.Name); strings.HasPrefix(text, begun) {
				found = append(found, text)
			}
		}
		return found, cobra.ShellCompDirectiveNoFileComp
	}
}

// firstArg completes the first argument and no other.
func firstArg(complete cobra.CompletionFunc) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return complete(cmd, args, begun)
	}
}
