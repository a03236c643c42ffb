package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// benchOf prepares a bench command whose temporary files are in a folder of its own, and checks at the end of the test that
// nothing is left there, and no process that works there.
func benchOf(t *testing.T, args ...string) (cmd *exec.Cmd, dir string) {
	t.Helper()
	dir = t.TempDir()
	cmd = exec.CommandContext(t.Context(), binary, append([]string{"bench"}, args...)...)
	// A variable that is misspelt would stop any Jethook that is given it.
	cmd.Env = append(os.Environ(), "TMPDIR="+dir, "JETHOOK_LISTEN=nonsense", "JETHOOK_SINC=always")
	t.Cleanup(func() {
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("left in the temporary folder: %v %v", left, err)
		}
		if left := processesWith(dir); len(left) > 0 {
			t.Errorf("processes left: %v", left)
		}
	})
	return cmd, dir
}

// processesWith returns the processes whose environment holds the text; none where there is no /proc.
func processesWith(text string) (pids []string) {
	environs, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, name := range environs {
		if environ, err := os.ReadFile(name); err == nil && strings.Contains(string(environ), text) {
			pids = append(pids, name)
		}
	}
	return pids
}

// finish runs a bench command to its end and returns its exit code and what it printed.
func finish(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	cmd, _ := benchOf(t, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// measure runs the command with --json, which must succeed, and reads its report.
func measure(t *testing.T, into any, args ...string) {
	t.Helper()
	code, stdout, stderr := finish(t, append(args, "--json")...)
	if code != exitOK || stderr != "" {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	if err := json.Unmarshal([]byte(stdout), into); err != nil {
		t.Fatalf("%v: %s", err, stdout)
	}
}

type ingestFigures struct {
	Requests    int64   `json:"requests"`
	PerSecond   float64 `json:"requests_per_second"`
	P50         float64 `json:"p50_ms"`
	Max         float64 `json:"max_ms"`
	Errors      int64   `json:"errors"`
	FirstError  string  `json:"first_error"`
	SyncSetting string  `json:"sync"`
}

func (f *ingestFigures) check(t *testing.T, name string) {
	t.Helper()
	if f == nil || f.Requests == 0 || f.PerSecond <= 0 || f.P50 <= 0 || f.Max < f.P50 || f.Errors != 0 {
		t.Errorf("%s: %+v", name, f)
	}
}

type ingestReport struct {
	Ratio       float64        `json:"ratio_to_bare"`
	RatioSync   float64        `json:"ratio_sync_always_to_interval"`
	Jethook     ingestFigures  `json:"jethook"`
	Compared    *ingestFigures `json:"compared"`
	Bare        ingestFigures  `json:"bare"`
	Mode        string         `json:"mode"`
	GOMAXPROCS  int            `json:"gomaxprocs"`
	Connections int            `json:"connections"`
}

func TestBenchIngest(t *testing.T) {
	t.Parallel()
	var r ingestReport
	measure(t, &r, "ingest", "--duration", "300ms", "--connections", "8", "--sources", "3", "--mode", "ingest", "--compare-sync")
	r.Jethook.check(t, "jethook")
	r.Compared.check(t, "compared")
	r.Bare.check(t, "bare")
	if r.Ratio <= 0 || r.RatioSync <= 0 || r.Mode != "ingest" || r.Connections != 8 || r.GOMAXPROCS < 1 {
		t.Errorf("%+v", r)
	}
	if r.Jethook.SyncSetting != "always" || r.Compared.SyncSetting != "2m" {
		t.Errorf("measured with sync %q and %q", r.Jethook.SyncSetting, r.Compared.SyncSetting)
	}
}

func TestBenchIngestOfARunningJethook(t *testing.T) {
	t.Parallel()
	p := newProcess(t, "JETHOOK_SOURCE_ACME_ID=header:X-Id")
	p.start(t, "ingest")
	url := "http://" + p.public + "/webhooks/acme"
	var r ingestReport
	measure(t, &r, "ingest", "--url", url, "--secret-file", secretFile(t, secret), "--header", "X-Acme-Signature", "--duration", "200ms", "--connections", "4")
	r.Jethook.check(t, "jethook")
	if r.Mode != "remote" || r.Ratio <= 0 {
		t.Errorf("%+v", r)
	}
	code, _, stderr := finish(t, "ingest", "--url", url, "--secret", "another", "--header", "X-Acme-Signature", "--duration", "100ms")
	if code != exitFailure || !strings.Contains(stderr, "no request succeeded: status 401") {
		t.Errorf("with a wrong secret: exit code %d: %s", code, stderr)
	}
}

type deliverFigures struct {
	Healthy    int      `json:"healthy_endpoints"`
	Expected   int64    `json:"expected"`
	Arrived    int64    `json:"arrived"`
	Lost       int64    `json:"lost"`
	PerSecond  float64  `json:"deliveries_per_second"`
	P99        float64  `json:"p99_ms"`
	Bad        int64    `json:"bad_endpoint_requests"`
	DiskBytes  *float64 `json:"disk_bytes_per_event"`
	Duplicated *int64   `json:"duplicated"`
	Waits      *int64   `json:"waits"`
	PeakDisk   int64    `json:"peak_disk_bytes"`
}

func (f *deliverFigures) check(t *testing.T, healthy int, expected int64) {
	t.Helper()
	if f == nil || f.Healthy != healthy || f.Expected != expected || f.Arrived != expected || f.Lost != 0 || f.PerSecond <= 0 || f.P99 <= 0 || f.Duplicated == nil {
		t.Errorf("want %d at %d endpoints, got %+v", expected, healthy, f)
	}
}

type deliverReport struct {
	Ratio    float64         `json:"ratio_to_bare_posts"`
	WithBad  float64         `json:"ratio_deliveries_with_bad"`
	P99      float64         `json:"ratio_p99_with_bad"`
	Memory   float64         `json:"ratio_memory_with_bad"`
	Disk     float64         `json:"ratio_disk_with_bad"`
	Jethook  deliverFigures  `json:"jethook"`
	Baseline *deliverFigures `json:"baseline"`
}

func TestBenchDeliver(t *testing.T) {
	t.Parallel()
	var r deliverReport
	measure(t, &r, "deliver", "--events", "300", "--endpoints", "3", "--rate", "2000", "--sync", "2m")
	r.Jethook.check(t, 3, 900)
	if r.Jethook.Waits == nil || *r.Jethook.Waits != 0 {
		t.Errorf("messages written to wait: %v", r.Jethook.Waits)
	}
	if r.Ratio <= 0 || r.Baseline != nil || r.Jethook.PeakDisk < 900 || r.Jethook.DiskBytes == nil || *r.Jethook.DiskBytes < 1024 {
		t.Errorf("%+v", r)
	}
}

// Bad endpoints get their requests, and the others get everything; the run does not wait for those that are slow.
func TestBenchDeliverBesideBadEndpoints(t *testing.T) {
	t.Parallel()
	var r deliverReport
	measure(t, &r, "deliver", "--events", "200", "--endpoints", "5", "--failing", "0.2", "--refusing", "0.2",
		"--slow", "0.2", "--slow-for", "10m")
	r.Baseline.check(t, 2, 400)
	r.Jethook.check(t, 2, 400)
	if waits := r.Jethook.Waits; waits == nil || *waits == 0 || *r.Baseline.Waits != 0 {
		t.Errorf("messages written to wait: %v", waits)
	}
	if r.WithBad <= 0 || r.P99 <= 0 || r.Memory <= 0 || r.Disk <= 0 || r.Jethook.Bad == 0 || r.Baseline.Bad != 0 {
		t.Errorf("%+v", r)
	}
}

// A Jethook that goes on running keeps no endpoint of the run.
func TestBenchDeliverOfARunningJethook(t *testing.T) {
	t.Parallel()
	p := newProcess(t)
	p.start(t, "serve")
	remote := []string{"deliver", "--admin", p.admin, "--token-file", secretFile(t, "token-for-tests-only"), "--nats", "nats://" + p.nats}
	var r deliverReport
	measure(t, &r, append(remote, "--events", "200", "--endpoints", "2")...)
	r.Jethook.check(t, 2, 400)

	var left struct{ Items []any }
	if p.api(t, "GET", "/api/v1/endpoints", "", &left); len(left.Items) > 0 {
		t.Errorf("endpoints left: %v", left.Items)
	}
}

func TestBenchUsage(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"ingest --url http://h/webhooks/a --secret s --sync 2m": "--sync applies to a Jethook that bench starts",
		"ingest --url http://h/webhooks/a":                      "--secret is missing",
		"ingest --url h:80 --secret s":                          "--url",
		"ingest --secret s":                                     "it requires --url",
		"ingest --mode consume":                                 "--mode",
		"ingest --connections 0":                                "--connections",
		"ingest --body 3":                                       "--body",
		"ingest --body many":                                    "--body",
		"ingest --sync never":                                   "--sync",
		"ingest now":                                            "unknown argument",
		"deliver --slow 1.5":                                    "--slow",
		"deliver --failing NaN":                                 "--failing",
		"deliver --refusing -1":                                 "--refusing",
		"deliver --slow 0.5 --failing 0.5 --endpoints 4":        "healthy",
		"deliver --rate -1":                                     "--rate",
		"deliver --events 0":                                    "--events",
		"deliver --receiver-listen 127.0.0.1:0":                 "it requires --admin",
		"deliver --admin 127.0.0.1:8081 --token t":              "--nats is missing",
		"deliver --receiver-url x --admin a":                    "--receiver-url",
		"":                                                      "needs a command",
	} {
		code, stdout, stderr := finish(t, strings.Fields(args)...)
		if code != exitUsage || stdout != "" || !strings.Contains(stderr, want) {
			t.Errorf("bench %s: exit code %d: %s%s", args, code, stdout, stderr)
		}
	}
}

// Ctrl-C in the middle leaves neither a Jethook nor its store.
func TestBenchInterrupted(t *testing.T) {
	t.Parallel()
	cmd, dir := benchOf(t, "deliver", "--rate", "50", "--events", "100000")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	for ctx.Err() == nil {
		if stores, _ := filepath.Glob(filepath.Join(dir, "jethook-bench-*", "data", "*")); len(stores) > 0 {
			break
		}
		time.Sleep(5 * time.Millisecond) // another process sends no event that could be waited on
	}
	cmd.Process.Signal(os.Interrupt)
	cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != exitFailure || !strings.Contains(stderr.String(), "interrupted") {
		t.Errorf("exit code %d: %s", code, &stderr)
	}
}
