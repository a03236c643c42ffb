package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"jethook/cmd/jethook/cli"

	"github.com/spf13/cobra"
)

// Call makes a request and prints the answer: as it came with --json, and otherwise as show writes it.
func Call[T any](cmd *cobra.Command, method, path string, body any, show func(w io.Writer, answer *T)) error {
	var answer T
	raw, err := Ask(cmd, method, path, body, &answer)
	if err != nil {
		return err
	}
	return Display(cmd, raw, func(w io.Writer) { show(w, &answer) })
}

// Ask makes a request, decodes the answer, and returns it as it came too.
func Ask(cmd *cobra.Command, method, path string, body, answer any) (raw []byte, err error) {
	c, err := New(cmd)
	if err != nil {
		return nil, err
	}
	return c.Ask(cmd.Context(), method, path, body, answer)
}

// Display prints raw with --json, and otherwise what show writes.
func Display(cmd *cobra.Command, raw []byte, show func(w io.Writer)) error {
	if asJSON, err := cmd.Flags().GetBool("json"); err != nil || asJSON {
		return errors.Join(err, cli.Output(cmd, raw))
	}
	return cli.PrintTable(cmd, show)
}

// AskFor makes a request and returns the answer, for commands that make several.
func AskFor[T any](cmd *cobra.Command, method, path string, body any) (answer T, err error) {
	_, err = Ask(cmd, method, path, body, &answer)
	return answer, err
}

// Show prints what several answers came to: as JSON with --json, and otherwise as table writes it.
func Show(cmd *cobra.Command, sum any, table func(w io.Writer)) error {
	text, err := json.Marshal(sum)
	if err != nil {
		return fmt.Errorf("encoding the result: %w", err)
	}
	return Display(cmd, append(text, '\n'), table)
}
