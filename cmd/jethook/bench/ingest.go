package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"jethook/config/quantity"
)

// IngestOptions say what to send to which Jethook.
type IngestOptions struct {
	URL      string // of a source of a running Jethook; empty: one of our own
	Secret   string // of the source at URL
	Header   string // carries the signature
	IDHeader string // carries the event's id

	Mode        string // serve or ingest: the command that one of our own runs
	Sync        quantity.Sync
	CompareSync bool // also measure with the other setting of Sync
	Sources     int
	Connections int
	Body        quantity.Bytes
	Duration    time.Duration
}

// Check implements [Load].
func (o *IngestOptions) Check() error {
	var p problems
	p.unless(o.Mode == "serve" || o.Mode == "ingest", "--mode is %q: write serve or ingest", o.Mode)
	p.unless(o.Sources >= 1 && o.Sources <= 1000, "--sources is %d: write 1 to 1000", o.Sources)
	p.unless(o.Connections >= 1 && o.Connections <= 9999, "--connections is %d: write 1 to 9999", o.Connections)
	p.unless(o.Duration >= 100*time.Millisecond, "--duration is %s: write 100ms or more", o.Duration)
	p.unless(httpguts.ValidHeaderFieldName(o.Header), "--header is %q, which is no header name", o.Header)
	p.unless(httpguts.ValidHeaderFieldName(o.IDHeader), "--id-header is %q, which is no header name", o.IDHeader)
	if o.URL != "" {
		u, err := url.Parse(o.URL)
		p.unless(err == nil && u.Scheme == "http" && u.Host != "" && u.User == nil,
			"--url is %q: write the address of a source, such as http://127.0.0.1:8080/webhooks/acme (TLS is not measured)", o.URL)
		p.unless(o.Secret != "", "--secret is missing: the requests to --url must be signed; --secret-file keeps it from others on this machine")
	}
	p.checkBody(int64(o.Body))
	return errors.Join(p...)
}

// IngestReport is what [IngestOptions] measured. Ratios are of requests per second.
type IngestReport struct {
	Bench string `json:"bench"` // "ingest"
	Machine
	RatioToBare         float64  `json:"ratio_to_bare"`
	RatioAlwaysInterval *float64 `json:"ratio_sync_always_to_interval,omitempty"`

	Jethook  IngestFigures  `json:"jethook"`
	Compared *IngestFigures `json:"compared,omitempty"` // with the other setting of Sync
	Bare     IngestFigures  `json:"bare"`               // the handler that stores nothing, before and after

	Mode        string  `json:"mode"` // of a running one: remote
	Sources     int     `json:"sources"`
	Connections int     `json:"connections"`
	BodyBytes   int64   `json:"body_bytes"`
	Duration    float64 `json:"duration_seconds"`
	InMemory    bool    `json:"store_in_memory"` // the temporary folder is no disk, so fsync cost nothing
}

// IngestFigures are those of one server. Those of latency leave out the requests that failed.
type IngestFigures struct {
	Sync              string  `json:"sync,omitempty"`
	Requests          int64   `json:"requests"` // answered with 2xx
	RequestsPerSecond float64 `json:"requests_per_second"`
	Latency
	Errors     int64  `json:"errors"`
	FirstError string `json:"first_error,omitempty"`
}

func (r *result) figures(sync string) IngestFigures {
	f := IngestFigures{Sync: sync, Requests: r.latency.n, RequestsPerSecond: r.rate(), Latency: r.latency.latency(), Errors: r.errors}
	if r.firstError != nil {
		f.FirstError = r.firstError.Error()
	}
	return f
}

// ingestRun is a run of [IngestOptions].
type ingestRun struct {
	*IngestOptions
	tools  Tools
	body   []byte
	report *IngestReport
}

// Run measures how fast webhooks are verified and stored, and holds it against a handler that only verifies them.
func (o *IngestOptions) Run(ctx context.Context, t Tools) (Report, error) {
	r := &ingestRun{IngestOptions: o, tools: t, body: payload(int(o.Body)), report: &IngestReport{
		Bench: "ingest", Machine: t.machine(), Mode: o.Mode, Sources: o.Sources, Connections: o.Connections,
		BodyBytes: int64(o.Body), Duration: o.Duration.Seconds(), InMemory: o.URL == "" && inMemory(os.TempDir()),
	}}
	jethook := r.own
	if o.URL != "" {
		r.report.Mode, jethook = "remote", r.remote
	}
	bare, err := beside(func() (*result, error) { return r.bare(ctx) }, func() error { return jethook(ctx) })
	if err != nil {
		return nil, ended(ctx, err)
	}
	r.report.Bare = bare.figures("")
	r.report.RatioToBare = ratio(r.report.Jethook.RequestsPerSecond, r.report.Bare.RequestsPerSecond)
	return r.report, nil
}

// bare measures the bare handler, half as long as Jethook: it is measured twice.
func (r *ingestRun) bare(ctx context.Context) (*result, error) {
	c, err := startBare(ctx, r.Header)
	if err != nil {
		return nil, err
	}
	defer c.close()
	result, err := r.measure(ctx, "bare handler", target{c.public, []string{barePath}, c.token}, r.Duration/2)
	if err != nil {
		return nil, c.failure(err)
	}
	return result, nil
}

// remote measures a Jethook that runs already.
func (r *ingestRun) remote(ctx context.Context) error {
	u, err := url.Parse(r.URL)
	if err != nil {
		return err
	}
	address := u.Host
	if u.Port() == "" {
		address = net.JoinHostPort(u.Hostname(), "80")
	}
	result, err := r.measure(ctx, "jethook at "+r.URL, target{address, []string{u.RequestURI()}, r.Secret}, r.Duration)
	if err != nil {
		return err
	}
	r.report.Jethook = result.figures("")
	return nil
}

// defaultInterval is what fsync before each answer is compared with.
const defaultInterval = quantity.Sync(2 * time.Minute)

// own measures a Jethook of our own, and with the other setting of Sync another one.
func (r *ingestRun) own(ctx context.Context) (err error) {
	if r.report.Jethook, err = r.ownWith(ctx, r.Sync); err != nil || !r.CompareSync {
		return err
	}
	other := quantity.Sync(0)
	if r.Sync == 0 {
		other = defaultInterval
	}
	compared, err := r.ownWith(ctx, other)
	if err != nil {
		return err
	}
	of := ratio(r.report.Jethook.RequestsPerSecond, compared.RequestsPerSecond)
	if r.Sync != 0 {
		of = ratio(compared.RequestsPerSecond, r.report.Jethook.RequestsPerSecond)
	}
	r.report.Compared, r.report.RatioAlwaysInterval = &compared, &of
	return nil
}

func (r *ingestRun) ownWith(ctx context.Context, sync quantity.Sync) (IngestFigures, error) {
	secret := token()
	env := []string{"JETHOOK_SYNC=" + sync.String()}
	var names, paths []string
	for i := range r.Sources {
		name := fmt.Sprint("bench", i)
		names, paths = append(names, name), append(paths, "/webhooks/"+name)
		prefix := "JETHOOK_SOURCE_" + strings.ToUpper(name)
		env = append(env, prefix+"_PROVIDER=hmac", prefix+"_SECRET="+secret, prefix+"_HEADER="+r.Header, prefix+"_ID=header:"+r.IDHeader)
	}
	c, err := startJethook(ctx, r.Mode, append(env, "JETHOOK_SOURCES="+strings.Join(names, ","))...)
	if err != nil {
		return IngestFigures{}, err
	}
	defer c.close()
	result, err := r.measure(ctx, fmt.Sprintf("jethook %s, sync %s", r.Mode, sync), target{c.public, paths, secret}, r.Duration)
	if err != nil {
		return IngestFigures{}, c.failure(err)
	}
	return result.figures(sync.String()), nil
}

// errNothingTaken means that there is nothing to measure.
var errNothingTaken = errors.New("no request succeeded")

// measure sends webhooks for that long, after a short warm-up.
func (r *ingestRun) measure(ctx context.Context, name string, to target, duration time.Duration) (*result, error) {
	p := phase{name: name, workers: r.Connections, limit: min(time.Second, duration/5), most: math.MaxInt64}
	p.worker = func(ctx context.Context, i int) (func() error, func()) {
		c := r.connection(to, i, p.limit)
		return func() error { return c.send(ctx) }, c.close
	}
	warm, err := p.run(ctx, nil)
	if err == nil && warm.latency.n == 0 {
		err = fmt.Errorf("measuring %s: %w: %w", name, errNothingTaken, warm.firstError)
	}
	if err != nil {
		return nil, err
	}
	p.limit = duration
	return p.run(ctx, r.tools.Progress)
}
