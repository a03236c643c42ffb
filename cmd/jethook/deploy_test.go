package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"go.yaml.in/yaml/v3"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	strict "sigs.k8s.io/yaml"

	"jethook/config"
)

// printed is what a command prints.
func printed(t *testing.T, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	if code := run(t.Context(), args, &out, &errs); code != exitOK {
		t.Fatalf("%v: %d %s", args, code, &errs)
	}
	return out.String()
}

// deployments are all that the binary prints, with every flag that adds something.
func deployments(t *testing.T) map[string]string {
	t.Helper()
	return map[string]string{
		"serve": printed(t, "deploy", "kubernetes", "--source", "polar,my-shop", "--network-policy", "--service-monitor"),
		"plain": printed(t, "deploy", "kubernetes"),
		"cluster": printed(t, "deploy", "kubernetes", "--mode", "cluster", "--nats-url", "nats://a:4333,nats://b:4333", "--nats-creds",
			"--source", "polar", "--network-policy", "--service-monitor", "--metrics-adapter"),
		"compose": printed(t, "deploy", "compose-cluster", "--source", "polar"),
		"systemd": printed(t, "deploy", "systemd", "--source", "polar,my-shop"),
	}
}

// Every variable in a deployment is one of Jethook's.
func TestDeploymentVariables(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, v := range config.Reference() {
		for _, source := range []string{"POLAR", "MY_SHOP"} {
			known[strings.ReplaceAll(v.Name, "<NAME>", source)] = true
		}
	}
	for name, text := range deployments(t) {
		found := regexp.MustCompile(`JETHOOK_[A-Z0-9_]+`).FindAllString(text, -1)
		if len(found) < 4 {
			t.Errorf("%s: only %d variables", name, len(found))
		}
		for _, v := range found {
			if !known[v] {
				t.Errorf("%s: there is no variable %s", name, v)
			}
		}
	}
}

// serviceMonitor is what is used of https://prometheus-operator.dev/docs/api-reference/api/#monitoring.coreos.com/v1.ServiceMonitor
type serviceMonitor struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name      string            `json:"name"`
		Namespace string            `json:"namespace"`
		Labels    map[string]string `json:"labels"`
	} `json:"metadata"`
	Spec struct {
		Selector struct {
			MatchLabels map[string]string `json:"matchLabels"`
		} `json:"selector"`
		Endpoints []struct {
			Port     string `json:"port"`
			Path     string `json:"path"`
			Interval string `json:"interval"`
		} `json:"endpoints"`
	} `json:"spec"`
}

// objects reads manifests as strictly as Kubernetes can: into its own types, without an unknown or doubled field.
func objects(t *testing.T, text string) (list []any, kinds []string) {
	t.Helper()
	for _, part := range strings.Split(text, "\n---\n") {
		var head struct{ APIVersion, Kind string }
		if err := strict.Unmarshal([]byte(part), &head); err != nil {
			t.Fatalf("%v\n%s", err, part)
		}
		kind := head.APIVersion + " " + head.Kind
		object, ok := map[string]any{
			"v1 ServiceAccount": new(corev1.ServiceAccount), "v1 ConfigMap": new(corev1.ConfigMap), "v1 Service": new(corev1.Service),
			"apps/v1 StatefulSet": new(appsv1.StatefulSet), "apps/v1 Deployment": new(appsv1.Deployment),
			"policy/v1 PodDisruptionBudget":           new(policyv1.PodDisruptionBudget),
			"autoscaling/v2 HorizontalPodAutoscaler":  new(autoscalingv2.HorizontalPodAutoscaler),
			"networking.k8s.io/v1 NetworkPolicy":      new(networkingv1.NetworkPolicy),
			"monitoring.coreos.com/v1 ServiceMonitor": new(serviceMonitor),
		}[kind]
		if !ok {
			t.Fatalf("no type for %s", kind)
		}
		if err := strict.UnmarshalStrict([]byte(part), object); err != nil {
			t.Errorf("%s: %v\n%s", kind, err, part)
		}
		list, kinds = append(list, object), append(kinds, head.Kind)
	}
	return list, kinds
}

// The manifests are what Kubernetes takes, and its restricted standard for pods as well.
func TestKubernetesManifests(t *testing.T) {
	t.Parallel()
	all := deployments(t)
	for name, want := range map[string][]string{
		"plain": {"ServiceAccount", "ConfigMap", "Service", "Service", "StatefulSet"},
		"serve": {"ServiceAccount", "ConfigMap", "Service", "Service", "StatefulSet", "Service", "ServiceMonitor", "NetworkPolicy"},
		"cluster": {
			"ServiceAccount", "ConfigMap", "Service", "Service",
			"Deployment", "PodDisruptionBudget", "HorizontalPodAutoscaler", "Deployment", "PodDisruptionBudget", "HorizontalPodAutoscaler",
			"Service", "ServiceMonitor", "NetworkPolicy", "NetworkPolicy",
		},
	} {
		list, kinds := objects(t, all[name])
		if !slices.Equal(kinds, want) {
			t.Errorf("%s: %v, want %v", name, kinds, want)
		}
		var settings map[string]string
		for _, object := range list {
			switch o := object.(type) {
			case *corev1.ConfigMap:
				settings = o.Data
			case *appsv1.StatefulSet:
				checkPod(t, &o.Spec.Template, o.Spec.Selector.MatchLabels, settings)
			case *appsv1.Deployment:
				checkPod(t, &o.Spec.Template, o.Spec.Selector.MatchLabels, settings)
			case *corev1.Service:
				if o.Spec.Selector["app.kubernetes.io/instance"] != "jethook" {
					t.Errorf("the service %s selects %v", o.Name, o.Spec.Selector)
				}
			case *autoscalingv2.HorizontalPodAutoscaler:
				if external := len(o.Spec.Metrics) == 2; external != (o.Name == "jethook-consume") || *o.Spec.MinReplicas != 2 {
					t.Errorf("%s: %+v", o.Name, o.Spec)
				}
			}
		}
	}
}

// checkPod holds a pod against https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted and looks
// whether its probes, labels and secrets fit.
func checkPod(t *testing.T, pod *corev1.PodTemplateSpec, selected, settings map[string]string) {
	t.Helper()
	c := pod.Spec.Containers[0]
	s, p := c.SecurityContext, pod.Spec.SecurityContext
	if !*p.RunAsNonRoot || p.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault || *s.AllowPrivilegeEscalation ||
		!*s.ReadOnlyRootFilesystem || !slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}) || s.Capabilities.Add != nil || *pod.Spec.AutomountServiceAccountToken {
		t.Errorf("not restricted: %+v %+v", p, s)
	}
	if c.ReadinessProbe.HTTPGet.Path != "/readyz" || c.LivenessProbe.HTTPGet.Path != "/healthz" || c.StartupProbe == nil {
		t.Errorf("the probes are %+v, %+v", c.ReadinessProbe, c.LivenessProbe)
	}
	// Where senders come in, what counts is whether that listener is ready.
	port := map[string]string{"consume": "admin"}[c.Args[0]]
	if got := c.ReadinessProbe.HTTPGet.Port.String(); got != cmp.Or(port, "http") {
		t.Errorf("%s: the readiness probe asks %s", c.Args[0], got)
	}
	delay, err := time.ParseDuration(settings["JETHOOK_SHUTDOWN_DELAY"])
	noticed := time.Duration(c.ReadinessProbe.PeriodSeconds*c.ReadinessProbe.FailureThreshold) * time.Second
	if grace := time.Duration(*pod.Spec.TerminationGracePeriodSeconds) * time.Second; err != nil || delay <= noticed || grace < delay+35*time.Second {
		t.Errorf("the pod is not ready after %s, serves for %s, %v, and is killed after %s", noticed, delay, err, grace)
	}
	for key, value := range selected {
		if pod.Labels[key] != value {
			t.Errorf("a pod without the label %s=%s", key, value)
		}
	}
	mounted := func(m corev1.VolumeMount) bool { return m.MountPath == "/secrets" && m.ReadOnly }
	for key, value := range settings {
		if strings.HasSuffix(key, "_FILE") && (!strings.HasPrefix(value, "/secrets/") || !slices.ContainsFunc(c.VolumeMounts, mounted)) {
			t.Errorf("%s=%s is not mounted", key, value)
		}
	}
}

// What no deployment can have is refused, with the flag's name.
func TestDeployRefuses(t *testing.T) {
	t.Parallel()
	for flag, args := range map[string][]string{
		"--name":      {"kubernetes", "--name", "a: b"},
		"--image":     {"compose-cluster", "--image", "x\ny"},
		"--namespace": {"kubernetes", "--namespace", "A"},
		"--storage":   {"kubernetes", "--storage", "much"},
		"--source":    {"systemd", "--source", "a b"},
		"--binary":    {"systemd", "--binary", "jethook"},
		"--mode":      {"kubernetes", "--mode", "both"},
		"--replicas":  {"kubernetes", "--replicas", "2"},
		"--nats-url":  {"kubernetes", "--mode", "cluster", "--nats-url", "nats://me:secret@host"},
	} {
		var out, errs bytes.Buffer
		code := run(t.Context(), append([]string{"deploy"}, args...), &out, &errs)
		if code != exitUsage || !strings.Contains(errs.String(), flag+":") || strings.Contains(errs.String(), "secret@") || out.Len() > 0 {
			t.Errorf("%v: %d %s", args, code, &errs)
		}
	}
}

// systemd itself finds nothing wrong with the unit.
func TestSystemdUnit(t *testing.T) {
	t.Parallel()
	tool, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("there is no systemd-analyze here")
	}
	unit := filepath.Join(t.TempDir(), "jethook.service")
	text := printed(t, "deploy", "systemd", "--binary", binary, "--source", "polar")
	if err := os.WriteFile(unit, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), tool, "verify", "--man=no", unit).CombinedOutput()
	if err != nil || bytes.Contains(out, []byte("jethook.service")) {
		t.Errorf("%v\n%s", err, out)
	}
	for _, want := range []string{"DynamicUser=yes", "StateDirectory=jethook", "ProtectSystem=strict", "NoNewPrivileges=yes", "SystemCallFilter=@system-service", "LoadCredential=polar:"} {
		if !strings.Contains(text, "\n"+want) {
			t.Errorf("the unit has no %s", want)
		}
	}
}

// composed is the compose file, as far as it is used; anything else in it is an error.
type composed struct {
	Name     string
	XNATS    any                        `yaml:"x-nats"`
	XJethook any                        `yaml:"x-jethook"`
	Services map[string]composedService `yaml:"services"`
	Configs  map[string]struct{ Content string }
	Volumes  map[string]any
}

type composedService struct {
	Image, Restart  string
	StopGracePeriod string `yaml:"stop_grace_period"`
	EnvFile         []struct {
		Path     string
		Required bool
	} `yaml:"env_file"`
	Environment map[string]string
	Command     []string
	Ports       []string
	Volumes     []string
	Configs     []string
	Healthcheck struct {
		Test              []string
		Interval, Timeout string
		StartPeriod       string `yaml:"start_period"`
	}
	DependsOn   map[string]struct{ Condition string } `yaml:"depends_on"`
	ReadOnly    bool                                  `yaml:"read_only"`
	CapDrop     []string                              `yaml:"cap_drop"`
	SecurityOpt []string                              `yaml:"security_opt"`
}

// composeFile reads the compose file strictly, with the variables of its .env put in as Compose does.
func composeFile(t *testing.T, args ...string) (c composed) {
	t.Helper()
	text := printed(t, append([]string{"deploy", "compose-cluster"}, args...)...)
	env := map[string]string{"NATS_PASSWORD": "password-for-tests", "JETHOOK_ADMIN_TOKEN": "token-for-tests-only", "JETHOOK_ENCRYPTION_KEY": strings.Repeat("k", 43)}
	text = regexp.MustCompile(`\$\{(\w+)(?::([?-])([^}]*))?\}`).ReplaceAllStringFunc(text, func(v string) string {
		m := regexp.MustCompile(`\$\{(\w+)(?::([?-])([^}]*))?\}`).FindStringSubmatch(v)
		if value, ok := env[m[1]]; ok {
			return value
		} else if m[2] != "-" {
			t.Errorf("%s is not set", m[1])
		}
		return m[3]
	})
	d := yaml.NewDecoder(strings.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&c); err != nil {
		t.Fatal(err)
	}
	return c
}

// The processes of the compose file, with its settings, its NATS servers among them, carry a webhook to an endpoint.
func TestComposeCluster(t *testing.T) {
	t.Parallel()
	c := composeFile(t)
	place := strings.NewReplacer(clusterOf(t, c)...)
	sink := newSink(t, func(int) int { return http.StatusNoContent })
	processes := map[string]*process{}
	for _, name := range []string{"ingest-1", "ingest-2", "consume-1", "consume-2"} {
		service, ok := c.Services[name]
		if !ok || len(service.DependsOn) != 3 || !service.ReadOnly {
			t.Fatalf("no good service %s: %+v", name, service)
		}
		p := newProcess(t)
		p.env = slices.DeleteFunc(p.env, func(entry string) bool {
			return strings.HasPrefix(entry, "JETHOOK_NATS") || strings.HasPrefix(entry, "JETHOOK_ADMIN_TOKEN=")
		})
		for key, value := range service.Environment {
			if key != "JETHOOK_ADMIN_LISTEN" && key != "JETHOOK_SOURCES" { // each is alone in its container
				p.env = append(p.env, key+"="+place.Replace(value))
			}
		}
		p.start(t, service.Command[0])
		processes[name] = p
	}
	body := fmt.Sprintf(`{"name":"sink","url":%q,"events":["webhooks.>"]}`, sink.url)
	processes["consume-1"].api(t, http.MethodPost, "/api/v1/endpoints", body, nil)
	processes["ingest-1"].postSigned(t, []byte(`{"id":"one"}`))
	processes["ingest-2"].postSigned(t, []byte(`{"id":"two"}`))
	sink.await(t, "both webhooks at the endpoint", func() bool { return len(sink.first) == 2 })
	var info struct{ Items []json.RawMessage }
	processes["consume-2"].api(t, http.MethodGet, "/api/v1/endpoints", "", &info)
	if len(info.Items) != 1 {
		t.Errorf("the other process has %d endpoints", len(info.Items))
	}
}

// clusterOf runs the NATS servers of the file on loopback, and returns what to put in place of their addresses.
func clusterOf(t *testing.T, c composed) (places []string) {
	t.Helper()
	names := []string{"nats-1", "nats-2", "nats-3"}
	clients := map[string]string{}
	for _, name := range names {
		clients[name] = freePort(t)
		places = append(places, name+":4222", clients[name], name+":6222", freePort(t))
	}
	place := strings.NewReplacer(places...)
	var servers []*server.Server
	for i, name := range names {
		service := c.Services[name]
		if !slices.Equal(service.Configs, []string{"nats.conf"}) || !slices.Equal(service.Volumes, []string{name + ":/data"}) {
			t.Fatalf("the service %s is %+v", name, service)
		}
		text := place.Replace(c.Configs["nats.conf"].Content)
		text = strings.NewReplacer("0.0.0.0:4222", clients[name], "0.0.0.0:6222", places[4*i+3],
			"http: 127.0.0.1:8222", "http: 127.0.0.1:-1", "/data", filepath.Join(t.TempDir(), name)).Replace(text)
		path := filepath.Join(t.TempDir(), "nats.conf")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		opts, err := server.ProcessConfigFile(path)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		opts.ServerName, opts.NoSigs, opts.NoLog, opts.SyncAlways = service.Command[3], true, true, false
		s, err := server.NewServer(opts)
		if err != nil {
			t.Fatal(err)
		}
		s.Start()
		servers = append(servers, s)
		t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	}
	for _, s := range servers {
		if !s.ReadyForConnections(10 * time.Second) {
			t.Fatal("a NATS server is not ready")
		}
	}
	return places
}
