package bench

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"jethook/cmd/jethook/bench/load"
	"jethook/cmd/jethook/bench/server"
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
	load.Latency
	Errors     int64  `json:"errors"`
	FirstError string `json:"first_error,omitempty"`
}

func ingestFigures(sync string, r *load.Result) IngestFigures {
	f := IngestFigures{Sync: sync, Requests: r.Latency.Count(), RequestsPerSecond: r.Rate(), Latency: r.Latency.Summary(), Errors: r.Errors}
	if r.FirstError != nil {
		f.FirstError = r.FirstError.Error()
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
		BodyBytes: int64(o.Body), Duration: o.Duration.Seconds(), InMemory: o.URL == "" && server.InMemory(os.TempDir()),
	}}
	jethook := r.own
	if o.URL != "" {
		r.report.Mode, jethook = "remote", r.remote
	}
	bare, err := load.Beside(func() (*load.Result, error) { return r.bare(ctx) }, func() error { return jethook(ctx) })
	if err != nil {
		return nil, ended(ctx, err)
	}
	r.report.Bare = ingestFigures("", bare)
	r.report.RatioToBare = load.Ratio(r.report.Jethook.RequestsPerSecond, r.report.Bare.RequestsPerSecond)
	return r.report, nil
}

// target is where webhooks go, and how they are signed.
type target struct {
	address string   // host:port
	paths   []string // the connections share them evenly
	secret  string
}

// connection returns one that sends webhooks, each with an id of its own.
func (r *ingestRun) connection(to target, i int, limit time.Duration) *load.Connection {
	mac := hmac.New(sha256.New, []byte(to.secret))
	mac.Write(r.body)
	id, digits := token()+"-", strings.Repeat("0", 12) // more requests than a run of a month makes
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: jethook-bench\r\nContent-Type: application/json\r\n"+
		"Content-Length: %d\r\n%s: %s\r\n%s: %s%s\r\n\r\n",
		to.paths[i%len(to.paths)], to.address, len(r.body), r.Header, hex.EncodeToString(mac.Sum(nil)), r.IDHeader, id, digits)
	request := append([]byte(head), r.body...)
	serial := request[bytes.Index(request, []byte(id))+len(id):][:len(digits)]
	return load.NewConnection(to.address, limit, request, serial)
}

// bare measures the bare handler, half as long as Jethook: it is measured twice.
func (r *ingestRun) bare(ctx context.Context) (*load.Result, error) {
	s, err := server.StartBare(ctx, r.Header)
	if err != nil {
		return nil, err
	}
	return r.measure(ctx, "bare handler", s, target{s.Public, []string{server.BarePath}, s.Token}, r.Duration/2)
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
	result, err := r.measure(ctx, "jethook at "+r.URL, &server.Server{}, target{address, []string{u.RequestURI()}, r.Secret}, r.Duration)
	if err == nil {
		r.report.Jethook = ingestFigures("", result)
	}
	return err
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
	always, interval := &r.report.Jethook, &compared
	if r.Sync != 0 {
		always, interval = interval, always
	}
	r.report.Compared, r.report.RatioAlwaysInterval = &compared, new(load.Ratio(always.RequestsPerSecond, interval.RequestsPerSecond))
	return nil
}

func (r *ingestRun) ownWith(ctx context.Context, sync quantity.Sync) (IngestFigures, error) {
	to := target{secret: token()}
	env, names := []string{"JETHOOK_SYNC=" + sync.String()}, make([]string, r.Sources)
	for i := range names {
		names[i] = fmt.Sprint("bench", i)
		to.paths = append(to.paths, "/webhooks/"+names[i])
		prefix := "JETHOOK_SOURCE_" + strings.ToUpper(names[i])
		env = append(env, prefix+"_PROVIDER=hmac", prefix+"_SECRET="+to.secret, prefix+"_HEADER="+r.Header, prefix+"_ID=header:"+r.IDHeader)
	}
	s, err := server.Start(ctx, r.Mode, append(env, "JETHOOK_SOURCES="+strings.Join(names, ","))...)
	if err != nil {
		return IngestFigures{}, err
	}
	to.address = s.Public
	result, err := r.measure(ctx, fmt.Sprintf("jethook %s, sync %s", r.Mode, sync), s, to, r.Duration)
	if err != nil {
		return IngestFigures{}, err
	}
	return ingestFigures(sync.String(), result), nil
}

// errNothingTaken means that there is nothing to measure.
var errNothingTaken = errors.New("no request succeeded")

// measure sends webhooks for that long, after a short warm-up, and closes the server.
func (r *ingestRun) measure(ctx context.Context, name string, s *server.Server, to target, duration time.Duration) (*load.Result, error) {
	defer s.Close()
	p := load.Phase{Name: name, Workers: r.Connections, Limit: min(time.Second, duration/5), Most: math.MaxInt64}
	p.Worker = func(ctx context.Context, i int) func() error {
		c := r.connection(to, i, p.Limit)
		return func() error { return c.Send(ctx) }
	}
	warm, err := p.Run(ctx, nil)
	if err == nil && warm.Latency.Count() == 0 {
		err = fmt.Errorf("measuring %s: %w: %w", name, errNothingTaken, warm.FirstError)
	}
	if err != nil {
		return nil, s.Failure(err)
	}
	p.Limit = duration
	result, err := p.Run(ctx, r.tools.Progress)
	return result, s.Failure(err)
}
