package endpoint

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"jethook/cmd/jethook/cli"
	"jethook/cmd/jethook/client"
	"jethook/cmd/jethook/manifest"
	"jethook/consume/endpoint"
	"jethook/consume/endpoint/signing"
	"jethook/consume/status"
	"jethook/publish/topology"
)

func applyCommand() *cobra.Command {
	var a apply
	cmd := &cobra.Command{
		Use: "apply -f FILE", Short: "Create and update endpoints from a file",
		Long: "Create and update endpoints from a YAML file. Endpoints that already match the file are left unchanged. " +
			"The name identifies an endpoint; the other fields are those of the API:\n\n" +
			"  endpoints:\n" +
			"    - name: billing\n" +
			"      url: https://billing.example.com/hooks\n" +
			"      events: [events.invoice.>]\n" +
			"      secret: ${BILLING_SECRET}     # or secret_file: PATH\n" +
			"      headers: {X-Team: billing}\n\n" +
			"A field that the file omits returns to its default, except secret and disabled, which keep their value. A new endpoint without a secret " +
			"gets a generated one, which is printed once. In secrets, URLs, and header values, ${NAME} is replaced by the environment variable; " +
			"write $${NAME} for the literal text. Paths are relative to the file. ordered can't be changed.",
		Example: `  jethook endpoint apply -f endpoints.yaml --dry-run
  jethook endpoint apply -f endpoints.yaml --prune --yes
  jethook endpoint export | jethook endpoint apply -f - --dry-run`,
		Args: cli.ExactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.run(cmd) },
	}
	f := cmd.Flags()
	f.StringVarP(&a.file, "file", "f", "", "the file, or - for standard input")
	f.BoolVar(&a.dryRun, "dry-run", false, "only show what would change")
	f.BoolVar(&a.prune, "prune", false, "remove endpoints that are not in the file, with their waiting deliveries and dead letters")
	f.BoolVar(&a.yes, "yes", false, "don't ask before --prune removes endpoints")
	return cmd
}

// apply is one run of the command.
type apply struct {
	file               string
	dryRun, prune, yes bool

	client *client.Client
}

func (a *apply) run(cmd *cobra.Command) error {
	entries, err := a.read(cmd.InOrStdin())
	if err != nil {
		return err
	}
	if a.client, err = client.New(cmd); err != nil {
		return err
	}
	there, err := a.client.Endpoints(cmd.Context())
	if err != nil {
		return err
	}
	steps, err := manifest.Compare(a.name(), entries, manifest.Existing{
		Endpoints: there,
		Signs: func(e *endpoint.Endpoint, secret string, as signing.SecretType) (bool, error) {
			return a.client.Signs(cmd.Context(), e, secret, as)
		},
	}, a.prune)
	if err != nil {
		return wrongManifest(err)
	}
	if err := a.refuseUnseen(cmd.Context(), steps); err != nil {
		return err
	}
	if err := a.confirm(cmd, steps); err != nil {
		return err
	}
	return a.take(cmd, steps)
}

// refuseUnseen creates nothing while the server has records of endpoints that it can't read: each may be the endpoint
// that seems to be missing, and would stand there twice once it can be read.
func (a *apply) refuseUnseen(ctx context.Context, steps []manifest.Step) error {
	if !slices.ContainsFunc(steps, func(s manifest.Step) bool { return s.Action == manifest.Create }) {
		return nil
	}
	var s status.Status
	if _, err := a.client.Ask(ctx, http.MethodGet, "/api/v1/status", nil, &s); err != nil {
		return err
	}
	var unseen []string
	for i := range s.Unreadable {
		if u := &s.Unreadable[i]; u.Bucket == topology.BucketEndpoints {
			unseen = append(unseen, cmp.Or(u.Key, "all"))
		}
	}
	if len(unseen) == 0 {
		return nil
	}
	return fmt.Errorf("nothing was created: the server can't read the records of some endpoints (%s), which may be those that seem to be missing; see 'jethook status', and repair or remove them",
		strings.Join(unseen, ", "))
}

// name is the manifest's, for errors.
func (a *apply) name() string {
	if a.file == "-" {
		return "standard input"
	}
	return a.file
}

func (a *apply) read(stdin io.Reader) ([]manifest.Entry, error) {
	var content []byte
	var err error
	folder := filepath.Dir(a.file)
	switch a.file {
	case "":
		return nil, cli.Usagef("missing -f FILE; use -f - for standard input")
	case "-":
		content, err = io.ReadAll(stdin)
	default:
		content, err = os.ReadFile(a.file)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the file: %w", err)
	}
	entries, err := manifest.Read(manifest.Source{
		Name: a.name(), Content: content, Getenv: os.LookupEnv,
		ReadFile: func(path string) ([]byte, error) {
			if !filepath.IsAbs(path) {
				path = filepath.Join(folder, path)
			}
			return os.ReadFile(path)
		},
	})
	return entries, wrongManifest(err)
}

// wrongManifest makes what is wrong with a file a wrong use of the command.
func wrongManifest(err error) error {
	if _, ok := errors.AsType[*manifest.Problems](err); ok {
		return cli.Usage(err)
	}
	return err
}

// confirm asks before anything is removed: what waits for an endpoint goes with it.
func (a *apply) confirm(cmd *cobra.Command, steps []manifest.Step) error {
	var doomed []string
	for _, s := range steps {
		if s.Action == manifest.Remove {
			doomed = append(doomed, fmt.Sprintf("%s (%s)", s.Name, s.ID))
		}
	}
	if len(doomed) == 0 || a.dryRun || a.yes {
		return nil
	}
	cli.Row(cmd.ErrOrStderr(), "These endpoints are not in the file: "+strings.Join(doomed, ", "))
	return cli.Confirm(cmd, "Remove them, their waiting deliveries, and their dead letters?")
}
