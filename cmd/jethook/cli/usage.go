// Package cli is what all commands share: incorrect usage, secrets and data in flags, questions, and text for a terminal.
// It knows neither the admin API, which is the package client's, nor any command.
package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// usageError is incorrect usage of a command: exit code 2.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// Usage marks an error as incorrect usage; see [IsUsage].
func Usage(err error) error { return usageError{err} }

// Usagef is [Usage] of a formatted text.
func Usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// IsUsage reports whether an error is incorrect usage, and not a failure.
func IsUsage(err error) bool {
	_, ok := errors.AsType[usageError](err)
	return ok
}

// NeedsCommand is the RunE of a command that only groups others.
func NeedsCommand(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		hint := ""
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			hint = fmt.Sprintf("; did you mean %s?", strings.Join(near, " or "))
		}
		return Usagef("unknown command %q for %q%s", args[0], cmd.CommandPath(), hint)
	}
	return Usagef("%q needs a command", cmd.CommandPath())
}

// ExactArgs is cobra.ExactArgs with the exit code of incorrect usage; its error names what is missing.
func ExactArgs(names ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(names) == 0 && len(args) > 0 {
			return Usagef("unknown argument %q", args[0])
		}
		if len(args) != len(names) {
			return Usage(wrongArguments(args, names))
		}
		return nil
	}
}

// wrongArguments says which arguments are missing, or which are too many.
func wrongArguments(args, names []string) error {
	if len(args) < len(names) {
		return fmt.Errorf("missing %s", strings.Join(names[len(args):], " and "))
	}
	return fmt.Errorf("unexpected argument %q; expected only %s", args[len(names)], strings.Join(names, " and "))
}
