// Package deploy holds the deployments that the binary prints: manifests for Kubernetes, a compose file for a cluster on
// one machine, and a unit for systemd. Tests read them as strictly as their own tools would, hold each variable in them
// against those that Jethook knows, and run the processes of the compose file.
//
// No file holds a secret, nor a placeholder that could pass for one: each says at its top how to make those that it needs.
package deploy

import (
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"strings"
	"text/template"

	"github.com/nats-io/nats-server/v2/server"
)

//go:embed *.tmpl
var files embed.FS

var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"quote": quote, "variable": variable, "join": strings.Join,
}).ParseFS(files, "*.tmpl"))

// Options are what the deployments have in common.
type Options struct {
	Name    string   // of everything that is made
	Image   string   // the container image
	Sources []string // names of the sources to receive from; each has its secret in a file of its name
}

// Kubernetes are the options of the manifests for Kubernetes.
type Kubernetes struct {
	Options
	Namespace string
	// Cluster makes Deployments of ingest and consume on the NATS cluster at NATSURL; otherwise a StatefulSet of serve
	// holds its store in a volume of the size Storage.
	Cluster  bool
	NATSURL  string
	Replicas int // the least of ingest, and of consume
	Storage  string

	NATSCreds      bool // the Secret holds a credentials file for NATS
	ServiceMonitor bool // for the operator of Prometheus
	NetworkPolicy  bool
	MetricsAdapter bool // scales consume by what is past due, too
}

// Systemd are the options of the unit.
type Systemd struct {
	Options
	Binary string // where the binary is
}

// WriteKubernetes prints manifests to apply.
func WriteKubernetes(w io.Writer, o Kubernetes) error { return write(w, "kubernetes.yaml.tmpl", o) }

// WriteComposeCluster prints a compose file with three NATS servers, two processes that receive and two that deliver.
func WriteComposeCluster(w io.Writer, o Options) error {
	return write(w, "compose-cluster.yaml.tmpl", struct {
		Options
		NATSVersion string
	}{o, server.VERSION})
}

// WriteSystemd prints a unit.
func WriteSystemd(w io.Writer, o Systemd) error { return write(w, "systemd.service.tmpl", o) }

func write(w io.Writer, name string, data any) error {
	if err := templates.ExecuteTemplate(w, name, data); err != nil {
		return fmt.Errorf("printing the deployment: %w", err)
	}
	return nil
}

// Workload is one kind of process.
type Workload struct {
	Options Kubernetes
	Command string
}

// Workloads are the kinds of processes.
func (o Kubernetes) Workloads() []Workload {
	if o.Cluster {
		return []Workload{{o, "ingest"}, {o, "consume"}}
	}
	return []Workload{{o, "serve"}}
}

// MaxReplicas is how far the autoscalers go.
func (o Kubernetes) MaxReplicas() int { return 5 * o.Replicas }

// NATSPort is the port of the NATS cluster, for the network policy.
func (o Kubernetes) NATSPort() string {
	first, _, _ := strings.Cut(o.NATSURL, ",")
	if u, err := url.Parse(first); err == nil && u.Port() != "" {
		return u.Port()
	}
	return "4222"
}

// quote makes any text a scalar of YAML, of which JSON is a part.
func quote(text string) (string, error) {
	data, err := json.Marshal(text)
	return string(data), err
}

// variable is the part of a source's variables that is its name.
func variable(source string) string {
	return strings.ToUpper(strings.ReplaceAll(source, "-", "_"))
}

var (
	label    = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,40}[a-z0-9])?$`)
	image    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/@-]*$`)
	source   = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)
	quantity = regexp.MustCompile(`^[1-9][0-9]*(\.[0-9]+)?([KMGT]i?|k)?$`)
	path     = regexp.MustCompile(`^/[A-Za-z0-9._/+-]+$`)
)

// Check finds what no deployment can have.
func (o Options) Check() error {
	if !label.MatchString(o.Name) {
		return fmt.Errorf("--name: %q is not a name; use at most 42 lower-case letters, digits and -, starting with a letter", o.Name)
	}
	if !image.MatchString(o.Image) {
		return fmt.Errorf("--image: %q is not an image", o.Image)
	}
	for _, name := range o.Sources {
		if !source.MatchString(name) {
			return fmt.Errorf("--source: %q is not a source's name", name)
		}
	}
	return nil
}

// Check finds what the manifests can't have.
func (o Kubernetes) Check() error {
	if err := o.Options.Check(); err != nil {
		return err
	}
	switch {
	case !label.MatchString(o.Namespace):
		return fmt.Errorf("--namespace: %q is not a namespace", o.Namespace)
	case !quantity.MatchString(o.Storage):
		return fmt.Errorf("--storage: %q is not a size; write one such as 20Gi", o.Storage)
	case o.Replicas < 1:
		return fmt.Errorf("--replicas: %d is too few", o.Replicas)
	case !o.Cluster && o.Replicas > 1:
		return fmt.Errorf("--replicas: %d processes can't share one store; add --mode cluster and --nats-url", o.Replicas)
	case o.Cluster && o.NATSURL == "":
		return fmt.Errorf("--nats-url: --mode cluster needs the address of the NATS cluster")
	case !o.Cluster && (o.NATSURL != "" || o.NATSCreds):
		return fmt.Errorf("--nats-url, --nats-creds: add --mode cluster; serve has its own NATS server")
	}
	return checkNATSURL(o.NATSURL)
}

// checkNATSURL refuses addresses that hold a password: manifests are kept where many can read them.
func checkNATSURL(list string) error {
	for text := range strings.SplitSeq(list, ",") {
		if text == "" {
			continue
		}
		u, err := url.Parse(text)
		if err != nil || u.Hostname() == "" {
			return fmt.Errorf("--nats-url: write addresses such as nats://nats:4222")
		}
		if u.User != nil {
			return fmt.Errorf("--nats-url: leave out the login; put it into the Secret, see --nats-creds")
		}
	}
	return nil
}

// Check finds what the unit can't have.
func (o Systemd) Check() error {
	if err := o.Options.Check(); err != nil {
		return err
	}
	if !path.MatchString(o.Binary) {
		return fmt.Errorf("--binary: %q is not an absolute path without spaces", o.Binary)
	}
	return nil
}
