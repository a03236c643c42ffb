package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"jethook/config"
)

// IngestOptions say what to send to which Jethook.
type IngestOptions struct {
	URL      string // of a source of a running Jethook; empty: one of our own
	Secret   string // of the source at URL
	Header   string // carries the signature
	IDHeader string // carries the event's id

	Mode        string // serve or ingest: the command that one of our own runs
	Sync        config.Sync
	CompareSync bool // also measure with the other setting of Sync
	Sources     int
	Connections int
	Body        config.Bytes
	Duration    time.Duration
}

// Check returns what is wrong with the options, all of it.
func (o *IngestOptions) Check() error {
	var problems []error
	bad := func(wrong bool, format string, a ...any) {
		if wrong {
			problems = append(problems, fmt.Errorf(format, a...))
		}
	}
	bad(o.Mode != "serve" && o.Mode != "ingest", "--mode is %q: write serve or ingest", o.Mode)
	bad(o.Sources < 1 || o.Sources > 1000, "--sources is %d: write 1 to 1000", o.Sources)
	bad(o.Connections < 1 || o.Connections > 9999, "--connections is %d: write 1 to 9999", o.Connections)
	bad(o.Duration < 100*time.Millisecond, "--duration is %s: write 100ms or more", o.Duration)
	bad(!httpguts.ValidHeaderFieldName(o.Header), "--header is %q, which is no header name", o.Header)
	bad(!httpguts.ValidHeaderFieldName(o.IDHeader), "--id-header is %q, which is no header name", o.IDHeader)
	if o.URL != "" {
		u, err := url.Parse(o.URL)
		bad(err != nil || u.Scheme != "http" || u.Host == "" || u.User != nil,
			"--url is %q: write the address of a source, such as http://127.0.0.1:8080/webhooks/acme (TLS is not measured)", o.URL)
		bad(o.Secret == "", "--secret is missing: the requests to --url must be signed; --secret-file keeps it from others on this machine")
	}
	return errors.Join(append(problems, checkBody(int64(o.Body)))...)
}

// IngestReport is what a run of [Ingest] measured. Ratios are of requests per second.
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

func figures(r *loadResult, sync string) IngestFigures {
	n := r.latency.Count()
	return IngestFigures{
		Sync: sync, Requests: n, RequestsPerSecond: perSecond(n, r.elapsed), Latency: latencyOf(&r.latency),
		Errors: r.errors, FirstError: r.firstError,
	}
}

// ingestRun is a run of [Ingest].
type ingestRun struct {
	*IngestOptions
	tools Tools
	body  []byte
}

// Ingest measures how fast webhooks are verified and stored, and holds it against a handler that only verifies them.
// The bare handler runs before and after, half as long each, so that what drifts on the machine meets both.
func Ingest(ctx context.Context, o IngestOptions, t Tools) (*IngestReport, error) {
	r := &ingestRun{IngestOptions: &o, tools: t, body: payload(int(o.Body))}
	report := &IngestReport{
		Bench: "ingest", Machine: t.machine(), Mode: o.Mode, Sources: o.Sources, Connections: o.Connections,
		BodyBytes: int64(o.Body), Duration: o.Duration.Seconds(), InMemory: o.URL == "" && inMemory(os.TempDir()),
	}
	bare, err := r.bare(ctx)
	if err != nil {
		return nil, ended(ctx, err)
	}
	if o.URL != "" {
		report.Mode = "remote"
		err = r.remote(ctx, report)
	} else {
		err = r.own(ctx, report)
	}
	if err != nil {
		return nil, ended(ctx, err)
	}
	after, err := r.bare(ctx)
	if err != nil {
		return nil, ended(ctx, err)
	}
	bare.add(after)
	report.Bare = figures(bare, "")
	report.RatioToBare = ratio(report.Jethook.RequestsPerSecond, report.Bare.RequestsPerSecond)
	return report, nil
}

// bare measures the bare handler.
func (r *ingestRun) bare(ctx context.Context) (*loadResult, error) {
	secret := token()
	c, address, err := startBare(BareOptions{Secret: secret, Header: r.Header})
	if err != nil {
		return nil, err
	}
	defer c.stop()
	to := target{address: address, paths: []string{barePath}, secret: secret, header: r.Header, idHeader: r.IDHeader}
	result, err := r.measure(ctx, "bare handler", to, r.Duration/2)
	if err != nil {
		return nil, c.failure(err)
	}
	return result, nil
}

// remote measures a Jethook that runs already.
func (r *ingestRun) remote(ctx context.Context, report *IngestReport) error {
	u, err := url.Parse(r.URL)
	if err != nil {
		return err
	}
	address := u.Host
	if u.Port() == "" {
		address = net.JoinHostPort(u.Hostname(), "80")
	}
	to := target{address: address, paths: []string{u.RequestURI()}, secret: r.Secret, header: r.Header, idHeader: r.IDHeader}
	result, err := r.measure(ctx, "jethook at "+r.URL, to, r.Duration)
	if err != nil {
		return err
	}
	report.Jethook = figures(result, "")
	return nil
}

// defaultInterval is what fsync before each answer is compared with.
const defaultInterval = config.Sync(2 * time.Minute)

// own measures a Jethook of our own, and with the other setting of Sync another one.
func (r *ingestRun) own(ctx context.Context, report *IngestReport) (err error) {
	if report.Jethook, err = r.ownWith(ctx, r.Sync); err != nil || !r.CompareSync {
		return err
	}
	other := config.Sync(0)
	if r.Sync == 0 {
		other = defaultInterval
	}
	compared, err := r.ownWith(ctx, other)
	if err != nil {
		return err
	}
	report.Compared = &compared
	always, interval := report.Jethook.RequestsPerSecond, compared.RequestsPerSecond
	if r.Sync != 0 {
		always, interval = interval, always
	}
	of := ratio(always, interval)
	report.RatioAlwaysInterval = &of
	return nil
}

func (r *ingestRun) ownWith(ctx context.Context, sync config.Sync) (IngestFigures, error) {
	secret := token()
	env := []string{"JETHOOK_SYNC=" + sync.String()}
	var names, paths []string
	for i := range r.Sources {
		name := fmt.Sprint("bench", i)
		names, paths = append(names, name), append(paths, "/webhooks/"+name)
		prefix := "JETHOOK_SOURCE_" + strings.ToUpper(name)
		env = append(env, prefix+"_PROVIDER=hmac", prefix+"_SECRET="+secret, prefix+"_HEADER="+r.Header, prefix+"_ID=header:"+r.IDHeader)
	}
	j, err := startJethook(ctx, r.Mode, append(env, "JETHOOK_SOURCES="+strings.Join(names, ","))...)
	if err != nil {
		return IngestFigures{}, err
	}
	defer j.close()
	to := target{address: j.public, paths: paths, secret: secret, header: r.Header, idHeader: r.IDHeader}
	result, err := r.measure(ctx, fmt.Sprintf("jethook %s, sync %s", r.Mode, sync), to, r.Duration)
	if err != nil {
		return IngestFigures{}, j.failure(err)
	}
	return figures(result, sync.String()), nil
}

// errNothingTaken means that there is nothing to measure.
var errNothingTaken = errors.New("no request succeeded")

// measure sends the load for that long, after a short warm-up.
func (r *ingestRun) measure(ctx context.Context, name string, to target, duration time.Duration) (*loadResult, error) {
	l := &load{target: to, connections: r.Connections, body: r.body}
	warm := l.run(ctx, min(time.Second, duration/5))
	if ctx.Err() == nil && warm.latency.Count() == 0 {
		return nil, fmt.Errorf("measuring %s: %w: %s", name, errNothingTaken, warm.firstError)
	}
	start := time.Now()
	stop := watch(r.tools.Progress, func() string {
		spent := time.Since(start)
		return fmt.Sprintf("%s: %.0f of %.0f s, %.0f requests/s", name, spent.Seconds(), duration.Seconds(), perSecond(l.done.Load(), spent))
	})
	result := l.run(ctx, duration)
	stop()
	return result, ctx.Err()
}
