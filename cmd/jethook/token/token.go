// Package token is the command jethook token: it makes tokens for the admin API. It needs no server.
package token

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"jethook/cmd/jethook/cli"
	"jethook/config/token"
)

// Command returns jethook token with its verb.
func Command() *cobra.Command {
	cmd := &cobra.Command{
		Use: "token", Short: "Create tokens for the admin API", Args: cobra.ArbitraryArgs, RunE: cli.NeedsCommand,
	}
	cmd.AddCommand(newCommand())
	return cmd
}

func newCommand() *cobra.Command {
	var role string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "new NAME", Short: "Create a token and print it once",
		Long: "Create a token for the admin API and the dashboard, and print it with the line to add to the file of JETHOOK_ADMIN_TOKENS_FILE, which contains only its hash. " +
			"The audit trail lists actions by the token's name. Roles: read sees everything but secrets; operate can also retry, replay, " +
			"resend, test, enable, disable, and recover; admin can do everything.",
		Example: "  jethook token new ci --role operate",
		Args:    cli.ExactArgs("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			secret := token.New()
			entry, err := token.NewNamed(args[0], role, secret)
			if err != nil {
				return cli.Usage(err)
			}
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(map[string]string{"name": entry.Name, "role": entry.Role, "token": secret, "line": entry.String()})
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "token: %s\nline:  %s\n", secret, entry)
			return err
		},
	}
	cmd.Flags().StringVar(&role, "role", token.RoleOperate, "read, operate, or admin")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
