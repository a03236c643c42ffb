package client

import (
	"cmp"
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// completionTime is how long a shell waits for the API to complete an argument.
const completionTime = 2 * time.Second

// completeEndpoints completes endpoints: by name, or by id where that was begun or the name is not unique.
func completeEndpoints(cmd *cobra.Command, _ []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(cmd.Context(), completionTime)
	defer cancel()
	all, err := ReadEndpoints(ctx, cmd)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var found []cobra.Completion
	for i := range all {
		e := &all[i]
		switch byID := len(IDsOf(all, e.Name)) > 1 || begun != "" && strings.HasPrefix(e.ID, begun); {
		case byID && strings.HasPrefix(e.ID, begun):
			found = append(found, cobra.CompletionWithDesc(e.ID, e.Name))
		case !byID && strings.HasPrefix(e.Name, begun):
			found = append(found, cobra.CompletionWithDesc(e.Name, e.ID))
		}
	}
	return found, cobra.ShellCompDirectiveNoFileComp
}

// CompleteList completes by the ids, or else the names, of the first page of a list of the API.
func CompleteList(path string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTime)
		defer cancel()
		var page struct {
			Items []struct {
				ID   string `json:"id"`
				Name string `json:"name"`
			} `json:"items"`
		}
		c, err := New(cmd)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		if _, err := c.Ask(ctx, http.MethodGet, path, nil, &page); err != nil {
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

// FirstArg completes the first argument and no other.
func FirstArg(complete cobra.CompletionFunc) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return complete(cmd, args, begun)
	}
}
