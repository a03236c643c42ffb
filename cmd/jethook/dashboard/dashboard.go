// Package dashboard is the command jethook dashboard: it opens the dashboard in a browser, signed in. The pages themselves
// are the package consume/dashboard's.
package dashboard

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"jethook/cmd/jethook/cli"
	"jethook/cmd/jethook/client"
	"jethook/config"
	"jethook/consume/dashboard/session"
)

// Command returns jethook dashboard.
func Command() *cobra.Command {
	var stay bool
	cmd := &cobra.Command{
		Use: "dashboard", Short: "Open the dashboard, signed in",
		Long: "Print a link that signs you in to the dashboard, and open it if there is a browser. The link works once, within ten minutes; " +
			"until then, keep it as secret as the admin token." + client.Help,
		Example: `  jethook dashboard
  jethook dashboard --no-open
  jethook dashboard --admin https://jethook.internal`,
		Args: cli.ExactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			link, err := loginLink(cmd)
			if err != nil {
				return err
			}
			if asJSON, err := cmd.Flags().GetBool("json"); err != nil || asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(map[string]string{"url": link})
			}
			fmt.Fprintln(cmd.OutOrStdout(), link)
			if !stay && cli.IsTerminal(cmd.OutOrStdout()) {
				openBrowser(cmd.Context(), link)
			}
			return nil
		},
	}
	client.AddFlags(cmd)
	cmd.Flags().BoolVar(&stay, "no-open", false, "only print the address")
	return cmd
}

// loginLink makes a login link for the server that the command's flags and settings name, which must answer.
func loginLink(cmd *cobra.Command) (string, error) {
	c, err := client.New(cmd)
	if err != nil {
		return "", err
	}
	// The answer shows that the server takes this token: a link by another one would only be refused.
	if _, err := c.Do(cmd.Context(), "GET", "/api/v1/deliveries?limit=1", nil); err != nil {
		return "", err
	}
	cfg, err := config.Load()
	if err != nil {
		return "", err
	}
	base := string(cfg.AdminBasePath)
	if cmd.Flags().Changed("admin") { // which may go through a proxy, and then has the path
		base = ""
	}
	return c.URL + base + session.LoginPath(c.Token, time.Now()), nil
}

// openBrowser opens an address, where there is something to open it with. The address is printed in any case.
func openBrowser(ctx context.Context, address string) {
	var cmd *exec.Cmd
	switch {
	case runtime.GOOS == "darwin":
		cmd = exec.CommandContext(ctx, "open", address)
	case runtime.GOOS == "windows":
		cmd = exec.CommandContext(ctx, "rundll32", "url.dll,FileProtocolHandler", address)
	case os.Getenv("DISPLAY") != "" || os.Getenv("WAYLAND_DISPLAY") != "":
		cmd = exec.CommandContext(ctx, "xdg-open", address)
	default:
		return
	}
	_ = cmd.Run() // the address is printed
}
