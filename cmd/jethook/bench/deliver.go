package bench

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/url"
	"slices"
	"time"

	"jethook/cmd/jethook/bench/load"
	"jethook/cmd/jethook/cli"
	"jethook/config/quantity"
)

// DeliverOptions say what to publish for which endpoints of which Jethook.
type DeliverOptions struct {
	Admin          string // of a running Jethook; empty: one of our own
	Token          string // of its admin API
	NATS           string // where it takes events
	ReceiverListen string // where this process takes deliveries
	ReceiverURL    string // where the Jethook reaches that; empty: as this process would

	Sync      quantity.Sync
	Events    int
	Endpoints int
	Slow      float64 // share of the endpoints that answer after SlowFor
	SlowFor   time.Duration
	Failing   float64 // share of the endpoints that answer 500
	Refusing  float64 // share of the endpoints that take no connection
	Body      quantity.Bytes
	Rate      float64       // events a second; 0: as fast as they go
	Batch     int           // events in one atomic publish; 0: as many as pay, 1: each for itself
	Timeout   time.Duration // without a further arrival, after which the run is over
}

const (
	maxEvents = 100_000_000
	// maxCounted bounds the memory for exact counts, a bit each.
	maxCounted = 4_000_000_000
)

// Check implements [Load].
func (o *DeliverOptions) Check() error {
	var p problems
	p.unless(o.Events >= 1 && o.Events <= maxEvents, "--events is %d: write 1 to %d", o.Events, maxEvents)
	p.unless(o.Endpoints >= 1 && o.Endpoints <= 100_000, "--endpoints is %d: write 1 to 100000", o.Endpoints)
	p.unless(isShare(o.Slow), "--slow is %v: write a share of the endpoints, 0 to 1", o.Slow)
	p.unless(isShare(o.Failing), "--failing is %v: write a share of the endpoints, 0 to 1", o.Failing)
	p.unless(isShare(o.Refusing), "--refusing is %v: write a share of the endpoints, 0 to 1", o.Refusing)
	p.unless(o.Rate >= 0 && !math.IsInf(o.Rate, 0), "--rate is %v: write events a second, or 0 for as fast as they go", o.Rate)
	p.unless(o.Batch >= 0 && o.Batch <= maxBatch, "--batch is %d: write 1 to %d events", o.Batch, maxBatch)
	p.unless(o.Batch <= 1 || o.Rate == 0, "--batch and --rate don't go together: events that come at a rate come one by one")
	p.unless(o.Timeout > 0, "--timeout is %s: write how long to wait for the next arrival", o.Timeout)
	p.unless(o.SlowFor > 0, "--slow-for is %s: write how late a slow endpoint answers", o.SlowFor)
	if p == nil {
		n := o.Endpoints - o.number(o.Slow) - o.number(o.Failing) - o.number(o.Refusing)
		p.unless(n >= 1, "--slow, --failing and --refusing leave none of %s healthy: there would be nothing to measure", cli.Counted(o.Endpoints, "endpoint"))
		p.unless(n*o.Events <= maxCounted, "--events times --endpoints is more than the %d deliveries that can be counted", maxCounted)
	}
	p.unless(o.Admin == "" || o.Token != "", "--token is missing: endpoints are made at --admin; --token-file keeps it from others on this machine")
	p.unless(o.Admin == "" || o.NATS != "", "--nats is missing: events are published to the Jethook at --admin over NATS")
	if o.ReceiverURL != "" {
		u, err := url.Parse(o.ReceiverURL)
		p.unless(err == nil && u.Scheme == "http" && u.Host != "", "--receiver-url is %q: write such as http://10.0.0.5:9000", o.ReceiverURL)
	}
	_, _, err := net.SplitHostPort(o.ReceiverListen)
	p.unless(err == nil, "--receiver-listen is %q: write such as 0.0.0.0:9000", o.ReceiverListen)
	p.checkBody(int64(o.Body))
	return errors.Join(p...)
}

func isShare(f float64) bool { return f >= 0 && f <= 1 } // false for what is not a number

// number is how many endpoints a share is: a share of more than none is at least one.
func (o *DeliverOptions) number(share float64) int {
	if share == 0 {
		return 0
	}
	return max(1, int(math.Round(share*float64(o.Endpoints))))
}

// batch is how many events are published at once. A batch costs the server a temporary file and saves it an fsync
// for each event but one.
func (o *DeliverOptions) batch() int {
	switch {
	case o.Batch > 0:
		return o.Batch
	case o.Rate == 0 && o.Admin == "" && o.Sync == 0:
		return goodBatch
	default:
		return 1
	}
}

// kinds returns the endpoints to make. Those that are bad stand between the others.
func (o *DeliverOptions) kinds(withBad bool) []kind {
	bad := slices.Concat(slices.Repeat([]kind{slow}, o.number(o.Slow)),
		slices.Repeat([]kind{failing}, o.number(o.Failing)), slices.Repeat([]kind{refusing}, o.number(o.Refusing)))
	if !withBad {
		return make([]kind, o.Endpoints-len(bad))
	}
	kinds := make([]kind, o.Endpoints)
	for i, k := range bad {
		kinds[i*o.Endpoints/len(bad)] = k
	}
	return kinds
}

// DeliverReport is what [DeliverOptions] measured.
type DeliverReport struct {
	Bench string `json:"bench"` // "deliver"
	Machine
	RatioToBarePosts float64  `json:"ratio_to_bare_posts"`                 // deliveries to healthy endpoints / bare posts
	RatioWithBad     *float64 `json:"ratio_deliveries_with_bad,omitempty"` // deliveries a second to healthy ones: with bad ones / without
	RatioP99WithBad  *float64 `json:"ratio_p99_with_bad,omitempty"`        // of their latency
	RatioMemory      *float64 `json:"ratio_memory_with_bad,omitempty"`     // of the peaks
	RatioDisk        *float64 `json:"ratio_disk_with_bad,omitempty"`       // of the peaks
	BarePostsPerSec  float64  `json:"bare_posts_per_second"`               // before and after, averaged

	Jethook  DeliverFigures  `json:"jethook"`
	Baseline *DeliverFigures `json:"baseline,omitempty"` // without the bad endpoints

	Mode      string  `json:"mode"`           // serve; of a running one: remote
	Sync      string  `json:"sync,omitempty"` // not known of a running one
	Events    int     `json:"events"`
	Slow      int     `json:"slow_endpoints"`
	SlowFor   float64 `json:"slow_for_seconds"`
	Failing   int     `json:"failing_endpoints"`
	Refusing  int     `json:"refusing_endpoints"`
	BodyBytes int64   `json:"body_bytes"`
	Rate      float64 `json:"rate_per_second"` // 0: as fast as they go
	Batch     int     `json:"batch"`           // events in one atomic publish
	InMemory  bool    `json:"store_in_memory"` // the temporary folder is no disk, so fsync cost nothing
}

// DeliverFigures are those of one run. Deliveries are those to healthy endpoints. What is nil was not measured.
type DeliverFigures struct {
	Healthy             int     `json:"healthy_endpoints"`
	Expected            int64   `json:"expected"`
	Arrived             int64   `json:"arrived"`
	Lost                int64   `json:"lost"`       // not arrived when the run was over
	Duplicated          int64   `json:"duplicated"` // arrived again
	DeliveriesPerSecond float64 `json:"deliveries_per_second"`
	PublishedPerSecond  float64 `json:"published_per_second"`
	load.Latency                // from publication to arrival
	BadRequests         int64   `json:"bad_endpoint_requests"`

	Tail           *float64 `json:"tail"`  // slowest second before the last arrival / median second
	Waits          *int64   `json:"waits"` // messages written so that deliveries wait for their time
	CPUPerDelivery *float64 `json:"cpu_ms_per_delivery"`
	BytesPerEvent  *float64 `json:"disk_bytes_per_event"`
	PeakMemory     *int64   `json:"peak_memory_bytes"`
	PeakDisk       *int64   `json:"peak_disk_bytes"`
}

// ErrLost means that not every event arrived at every healthy endpoint while the run waited.
var ErrLost = errors.New("lost")

// lost returns an error if anything was.
func (r *DeliverReport) lost() error {
	for _, f := range []*DeliverFigures{&r.Jethook, r.Baseline} {
		if f != nil && f.Lost > 0 {
			return fmt.Errorf("%w: %d of %d deliveries did not arrive in time", ErrLost, f.Lost, f.Expected)
		}
	}
	return nil
}

// bad is how many of the endpoints are.
func (r *DeliverReport) bad() int { return r.Slow + r.Failing + r.Refusing }

// compare fills in the ratios.
func (r *DeliverReport) compare() {
	f, b := &r.Jethook, r.Baseline
	r.RatioToBarePosts = load.Ratio(f.DeliveriesPerSecond, r.BarePostsPerSec)
	if b == nil {
		return
	}
	r.RatioWithBad, r.RatioP99WithBad = new(load.Ratio(f.DeliveriesPerSecond, b.DeliveriesPerSecond)), new(load.Ratio(f.P99, b.P99))
	r.RatioMemory, r.RatioDisk = ratioOf(f.PeakMemory, b.PeakMemory), ratioOf(f.PeakDisk, b.PeakDisk)
}

// ratioOf is nil when one of the two was not measured.
func ratioOf(a, b *int64) *float64 {
	if a == nil || b == nil {
		return nil
	}
	return new(load.Ratio(float64(*a), float64(*b)))
}
