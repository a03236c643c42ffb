package trace

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"jethook/config"
)

// settings are what the environment says of the export:
// https://opentelemetry.io/docs/specs/otel/protocol/exporter/
type settings struct {
	url     string // may hold a secret
	header  http.Header
	timeout time.Duration // of one batch
	gzip    bool
	tls     *tls.Config
}

const (
	prefix         = "OTEL_EXPORTER_OTLP_"
	tracesPath     = "/v1/traces"
	defaultBase    = "http://localhost:4318"
	defaultTimeout = 10 * time.Second
)

// Check returns what is wrong with the OTEL_ variables. If they ask for no traces, nothing is.
func Check() config.Problems {
	_, problems := read(os.Getenv)
	return problems
}

// reader reads variables and collects what is wrong with them.
type reader struct {
	getenv   func(string) string
	problems config.Problems
}

func (r *reader) add(variable, reason string) {
	r.problems = append(r.problems, config.Problem{Variable: variable, Reason: reason})
}

func (r *reader) value(name string) string { return strings.TrimSpace(r.getenv(name)) }

// export returns a variable of the exporter, which may be set for traces alone.
func (r *reader) export(name string) (variable, value string) {
	if variable = prefix + "TRACES_" + name; r.value(variable) != "" {
		return variable, r.value(variable)
	}
	return prefix + name, r.value(prefix + name)
}

// read returns nil if no traces are asked for.
func read(getenv func(string) string) (*settings, config.Problems) {
	r := &reader{getenv: getenv}
	endpoint, value := r.export("ENDPOINT")
	exporter := r.value("OTEL_TRACES_EXPORTER")
	switch {
	case strings.EqualFold(r.value("OTEL_SDK_DISABLED"), "true"), exporter == "none", exporter == "" && value == "":
		return nil, nil
	case exporter != "" && exporter != "otlp":
		r.add("OTEL_TRACES_EXPORTER", "choose otlp or none")
	}
	s := &settings{header: make(http.Header), timeout: defaultTimeout, tls: &tls.Config{MinVersion: tls.VersionTLS12}}
	s.url = r.endpoint(endpoint, value)
	if name, value := r.export("PROTOCOL"); value != "" && value != "http/protobuf" {
		r.add(name, "only http/protobuf is supported, which collectors take on port 4318")
	}
	if name, value := r.export("COMPRESSION"); value != "" && value != "none" && value != "gzip" {
		r.add(name, "choose gzip or none")
	} else {
		s.gzip = value == "gzip"
	}
	if name, value := r.export("TIMEOUT"); value != "" {
		ms, err := strconv.Atoi(value)
		if err != nil || ms <= 0 {
			r.add(name, "must be a number of milliseconds")
		}
		s.timeout = time.Duration(ms) * time.Millisecond
	}
	r.headers(s.header)
	r.certificates(s.tls)
	r.sampler()
	return s, r.problems
}

// endpoint returns the address that spans are sent to. One for all signals is a base, one for traces is taken as it is.
func (r *reader) endpoint(variable, value string) string {
	u, err := url.Parse(cmp.Or(value, defaultBase))
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		r.add(variable, "must be a URL such as "+defaultBase) // not what it is: it may hold a secret
		return ""
	}
	if variable == prefix+"ENDPOINT" {
		u = u.JoinPath(tracesPath)
	}
	return u.String()
}

// secret returns a variable of the exporter that may hold a secret, or what is in the file that the variable with _FILE names.
func (r *reader) secret(name string) (variable, value string) {
	for _, variable := range []string{prefix + "TRACES_" + name, prefix + name} {
		value, file := r.value(variable), r.value(variable+"_FILE")
		switch {
		case value != "" && file != "":
			r.add(variable+"_FILE", "conflicts with "+variable+", which is also set; unset one of them")
			return variable, ""
		case value != "":
			return variable, value
		case file != "":
			content, err := config.ReadSecretFile(file, nil)
			if err != nil {
				r.add(variable+"_FILE", "reading the secret: "+err.Error())
			}
			return variable + "_FILE", content.Reveal()
		}
	}
	return prefix + name, ""
}

// headers reads name=value pairs with commas between, whose values are percent-encoded.
func (r *reader) headers(h http.Header) {
	name, value := r.secret("HEADERS")
	for pair := range strings.SplitSeq(value, ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		key, text, ok := strings.Cut(pair, "=")
		key = strings.TrimSpace(key)
		text, err := url.PathUnescape(strings.TrimSpace(text))
		if !ok || err != nil || !httpguts.ValidHeaderFieldName(key) || !httpguts.ValidHeaderFieldValue(text) {
			r.add(name, "must be name=value pairs separated by commas, percent-encoded")
			return
		}
		h.Set(key, text)
	}
}

// certificates reads the files by which the collector is verified, and that show who sends.
func (r *reader) certificates(c *tls.Config) {
	if name, file := r.export("CERTIFICATE"); file != "" {
		c.RootCAs = x509.NewCertPool()
		if text, err := os.ReadFile(file); err != nil {
			r.add(name, err.Error())
		} else if !c.RootCAs.AppendCertsFromPEM(text) {
			r.add(name, "holds no certificate")
		}
	}
	name, file := r.export("CLIENT_CERTIFICATE")
	_, key := r.export("CLIENT_KEY")
	if file == "" && key == "" {
		return
	}
	own, err := tls.LoadX509KeyPair(file, key)
	if err != nil {
		r.add(name, err.Error())
	}
	c.Certificates = []tls.Certificate{own}
}

// samplers are those of the SDK, which reads these variables itself.
var samplers = []string{
	"", "always_on", "always_off", "traceidratio", "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio",
}

func (r *reader) sampler() {
	name := strings.ToLower(r.value("OTEL_TRACES_SAMPLER"))
	if !slices.Contains(samplers, name) {
		r.add("OTEL_TRACES_SAMPLER", "choose one of "+strings.Join(samplers[1:], ", "))
	}
	if arg := r.value("OTEL_TRACES_SAMPLER_ARG"); arg != "" && strings.HasSuffix(name, "ratio") {
		if share, err := strconv.ParseFloat(arg, 64); err != nil || !(share >= 0 && share <= 1) {
			r.add("OTEL_TRACES_SAMPLER_ARG", "must be a number from 0 to 1")
		}
	}
}

// host is where spans are sent to, for the log.
func (s *settings) host() string {
	u, err := url.Parse(s.url)
	if err != nil {
		return ""
	}
	return u.Host
}

func (s *settings) newHTTP() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = s.tls
	// A redirect is refused: the headers may be credentials, and are for the collector alone.
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}
