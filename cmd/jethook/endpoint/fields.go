package endpoint

import (
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"jethook/cmd/jethook/cli"
	"jethook/cmd/jethook/client"
	"jethook/publish/event"
)

// addFlags adds the flags that say what an endpoint is to be.
func addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.String("name", "", "the endpoint's name")
	f.String("url", "", "the URL that deliveries are sent to")
	f.StringSlice("events", nil, "NATS subject patterns of the events to deliver, comma-separated")
	cli.AddSecretFlags(f, "secret", "the secret that signs deliveries")
	f.String("secret-type", "", "how to read the key from the secret: text, base64, or ed25519 (default: depends on the secret's form)")
	f.String("format", "", "raw, slack, discord, or cloudevents (default: depends on the URL)")
	client.AddSignatureFlags(f, "signature", "how to sign deliveries")
	client.AddSignatureFlags(f, "second-signature", "a second signature, while receivers migrate")
	f.StringArray("header", nil, "a header to send with every delivery, as NAME=VALUE; may be repeated. For credentials, prefer --header-file")
	f.StringArray("header-file", nil, "like --header, but reads the value from a file: NAME=FILE, or NAME=- for standard input")
	for _, file := range certificateFiles {
		f.String(file.flag, "", file.meaning+", in PEM; - for standard input")
	}
	f.StringSlice("retry-schedule", nil, "pauses between attempts, such as 5m,30m, or none (default JETHOOK_RETRY_SCHEDULE)")
	f.String("timeout", "", "time limit of one attempt (default JETHOOK_DELIVERY_TIMEOUT)")
	f.Int("concurrency", 0, "maximum concurrent requests from one process (default 64)")
	f.String("rate-limit", "", "maximum request rate of one process, such as 10/s or 600/m")
	f.Bool("ordered", false, "deliver one event at a time, in stream order; can't be changed later")
	f.Bool("disabled", false, "deliver nothing until the endpoint is enabled")
}

// certificateFiles are the flags that name files in PEM, with the API's fields that they are read into.
var certificateFiles = []struct{ flag, field, meaning string }{
	{"ca-file", "ca", "a file with the authorities that may vouch for the receiver, instead of the system's"},
	{"client-cert-file", "client_certificate", "a file with the certificate to show the receiver, with its chain"},
	{"client-key-file", "client_key", "a file with its key, unencrypted"},
}

// readFields reads the flags of addFlags into the API's fields. Only those that are given are sent, so
// that the others keep what they have; what the values mean is the API's to check.
func readFields(cmd *cobra.Command) (map[string]any, error) {
	f, fields := cmd.Flags(), map[string]any{}
	var problems []error
	put := func(flag string, value any, err error) {
		if f.Changed(flag) {
			fields[strings.ReplaceAll(flag, "-", "_")] = value
			problems = append(problems, err)
		}
	}
	for _, flag := range []string{"name", "url", "secret-type", "format", "timeout", "rate-limit"} {
		value, err := f.GetString(flag)
		put(flag, value, err)
	}
	if secret, given, err := cli.SecretFlags(cmd, "secret"); err != nil {
		problems = append(problems, err)
	} else if given {
		fields["secret"] = secret
	}
	for _, file := range certificateFiles {
		path, err := f.GetString(file.flag)
		content := ""
		if err == nil && f.Changed(file.flag) {
			content, err = cli.ReadSecret(cmd, strings.TrimSuffix(file.flag, "-file"), path)
			fields[file.field] = content
		}
		problems = append(problems, err)
	}
	for _, flag := range []string{"events", "retry-schedule"} {
		value, err := f.GetStringSlice(flag)
		if flag == "retry-schedule" && slices.Equal(value, []string{"none"}) {
			value = []string{}
		}
		put(flag, value, err)
	}
	for _, flag := range []string{"ordered", "disabled"} {
		value, err := f.GetBool(flag)
		put(flag, value, err)
	}
	concurrency, err := f.GetInt("concurrency")
	put("concurrency", concurrency, err)
	for _, name := range []string{"signature", "second-signature"} {
		if signature := client.SignatureFields(f, name); signature != nil {
			fields[strings.ReplaceAll(name, "-", "_")] = signature
		}
	}
	if f.Changed("header") || f.Changed("header-file") {
		fields["headers"], err = headerFlags(cmd)
		problems = append(problems, err)
	}
	return fields, errors.Join(problems...)
}

func headerFlags(cmd *cobra.Command) (map[string]string, error) {
	given, err := cmd.Flags().GetStringArray("header")
	if err != nil {
		return nil, err
	}
	files, err := cmd.Flags().GetStringArray("header-file")
	if err != nil {
		return nil, err
	}
	headers := make(map[string]string, len(given)+len(files))
	for _, h := range given {
		name, value, ok := strings.Cut(h, "=")
		if !ok {
			return nil, cli.Usagef("--header must be NAME=VALUE") // the text may hold a credential
		}
		if event.IsCredential(name) {
			cli.WarnOfArgument(cmd, "header")
		}
		headers[name] = value
	}
	for _, h := range files {
		name, path, ok := strings.Cut(h, "=")
		if !ok {
			return nil, cli.Usagef("--header-file must be NAME=FILE")
		}
		if headers[name], err = cli.ReadSecret(cmd, "header", path); err != nil {
			return nil, err
		}
	}
	return headers, nil
}

// clearFields adds, for each name in --clear, the null that sets a field back to its default.
func clearFields(cmd *cobra.Command, fields map[string]any) error {
	names, err := cmd.Flags().GetStringSlice("clear")
	if err != nil {
		return err
	}
	for _, name := range names {
		name = strings.ReplaceAll(name, "-", "_")
		if _, given := fields[name]; given {
			return cli.Usagef("--clear %s conflicts with the new value for it", name)
		}
		fields[name] = nil
	}
	return nil
}
