package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"jethook/config"
)

// StandardInput, in place of a secret or of a file, means that it is read from standard input.
const StandardInput = "-"

// AddSecretFlags adds the two flags that a secret is given by: --NAME and --NAME-file.
func AddSecretFlags(f *pflag.FlagSet, name, meaning string) {
	f.String(name, "", meaning+". Every user of this machine can see it; prefer --"+name+"-file")
	f.String(name+"-file", "", "file with the value of --"+name+", or - for standard input")
}

// SecretFlags returns the secret that the flags of [AddSecretFlags] give, and whether one of them is given.
func SecretFlags(cmd *cobra.Command, name string) (secret string, given bool, err error) {
	f := cmd.Flags()
	if secret, err = f.GetString(name); err != nil {
		return "", false, err
	}
	path, err := f.GetString(name + "-file")
	if err != nil {
		return "", false, err
	}
	switch inArguments, inFile := f.Changed(name), f.Changed(name+"-file"); {
	case inArguments && inFile:
		return "", false, Usagef("--%s and --%[1]s-file can't be combined", name)
	case inArguments && secret == StandardInput:
		path = StandardInput
	case inArguments:
		WarnOfArgument(cmd, name)
		return secret, true, nil
	case !inFile:
		return "", false, nil
	}
	secret, err = ReadSecret(cmd, name, path)
	return secret, true, err
}

// ReadSecret returns the secret in a file, or in the standard input.
func ReadSecret(cmd *cobra.Command, name, path string) (string, error) {
	secret, err := config.ReadSecretFile(path, cmd.InOrStdin())
	if errors.Is(err, config.ErrEmptySecret) {
		return "", Usagef("--%s-file %s is empty", name, path)
	}
	if err != nil {
		return "", fmt.Errorf("reading --%s-file: %w", name, err)
	}
	return secret.Reveal(), nil
}

// WarnOfArgument says what is wrong with a secret among the arguments. It is taken all the same.
func WarnOfArgument(cmd *cobra.Command, name string) {
	fmt.Fprintf(cmd.ErrOrStderr(), "Warning: every user of this machine can see the value of --%s while the command runs, and your shell may keep it in its history. "+
		"Use --%[1]s-file FILE, or --%[1]s-file - for standard input.\n", name)
}
