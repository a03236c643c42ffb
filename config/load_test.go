package config

import (
	"errors"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"jethook/config/quantity"
)

// setenv makes env all that the environment holds of ours: an empty variable counts as unset.
func setenv(t *testing.T, env map[string]string) {
	t.Helper()
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, prefix) {
			t.Setenv(name, "")
		}
	}
	for name, value := range env {
		t.Setenv(name, value)
	}
}

func TestDefault(t *testing.T) {
	c := Default()
	want := &Config{
		Listen: ":8080", AdminListen: "127.0.0.1:8081", MetricsSeries: 100, DataDir: "jethook-data", NATSListen: "127.0.0.1:4222",
		Replicas: 1, MaxBody: 8 << 20, DedupWindow: time.Hour, Retention: 7 * 24 * time.Hour,
		HistoryAge: 30 * 24 * time.Hour, HistoryMaxBytes: 1 << 30, DeadMaxBytes: 1 << 30,
		RetrySchedule:   quantity.Schedule{5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour},
		DeliveryTimeout: 20 * time.Second, DisableAfter: 120 * time.Hour,
		RejectedMaxBytes: 256 << 20, RejectedRetention: 72 * time.Hour, AuditRetention: 2160 * time.Hour, LogFormat: LogAuto,
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("Default() = %+v, want %+v", c, want)
	}

	unset := map[string]string{}
	for _, s := range settings(prefix, c) {
		unset[s.name] = " " // compose files pass empty variables
	}
	setenv(t, unset)
	// Without our prefix a variable is another program's.
	t.Setenv("NATS_URL", "nats://elsewhere:4222")
	t.Setenv("LISTEN", ":1")
	loaded, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(loaded, c) {
		t.Errorf("Load() of an empty environment = %+v, want %+v", loaded, c)
	}
}

func TestLoad(t *testing.T) {
	setenv(t, map[string]string{
		"JETHOOK_LISTEN": "0.0.0.0:80", "JETHOOK_ADMIN_LISTEN": "[::1]:81", "JETHOOK_NATS_LISTEN": "off",
		"JETHOOK_METRICS_LISTEN": ":82", "JETHOOK_METRICS_MAX_SERIES": "0",
		"JETHOOK_ADMIN_TOKEN": " 0123456789abcdef\n", "JETHOOK_DATA_DIR": "/data", "JETHOOK_SYNC": "2m",
		"JETHOOK_NATS_URL": "nats://me:pass@one:4222, two", "JETHOOK_NATS_TOKEN": "nats-token",
		"JETHOOK_NATS_CREDS": "creds", "JETHOOK_NATS_TLS_CA": "ca", "JETHOOK_NATS_TLS_CERT": "cert", "JETHOOK_NATS_TLS_KEY": "key",
		"JETHOOK_REPLICAS": "3", "JETHOOK_MAX_BODY": "1 MiB", "JETHOOK_DEDUP_WINDOW": "2h", "JETHOOK_RETENTION": "2h",
		"JETHOOK_HISTORY_RETENTION": "48h", "JETHOOK_HISTORY_MAX_BYTES": "64MiB",
		"JETHOOK_RETRY_SCHEDULE": "none", "JETHOOK_DELIVERY_TIMEOUT": "5m", "JETHOOK_DISABLE_AFTER": "0", "JETHOOK_LOG_LEVEL": "Debug", "JETHOOK_LOG_FORMAT": "Text",
		"JETHOOK_REJECTED_MAX_BYTES": "0", "JETHOOK_REJECTED_RETENTION": "24h", "JETHOOK_TRUSTED_PROXIES": "172.16.0.0/12",
		"JETHOOK_SOURCE_A_ALLOWED_IPS": "192.0.2.0/24", "JETHOOK_SOURCE_A_RATE_LIMIT": "600/m",
		"JETHOOK_SOURCE_A_URL": "https://hooks.example.com/webhooks/a?k=1", "JETHOOK_SOURCE_A_SPLIT": "false",
		"JETHOOK_SOURCE_A_AUDIENCE": "aud", "JETHOOK_SOURCE_A_EMAIL": "a@example.com", "JETHOOK_SOURCE_A_TOLERANCE": "1h",
		"JETHOOK_ALLOWED_NETWORKS":    "10.1.2.3/8 , 192.168.1.5, fd00::/8, ::1",
		"JETHOOK_SOURCES":             " a , a-b,,shop_2 ",
		"JETHOOK_SOURCE_A_SECRET":     " v1,whsec_new , ",
		"JETHOOK_SOURCE_A_SECRET_3":   "old",
		"JETHOOK_SOURCE_A_B_PROVIDER": "hmac", "JETHOOK_SOURCE_A_B_SECRET": "a-b's", "JETHOOK_SOURCE_A_B_HEADER": "X-Sig",
		"JETHOOK_SOURCE_A_B_PREFIX": "sha256= ", "JETHOOK_SOURCE_A_B_ALGORITHM": "sha1", "JETHOOK_SOURCE_A_B_ENCODING": "base64",
		"JETHOOK_SOURCE_A_B_TYPE": "json:type", "JETHOOK_SOURCE_A_B_ID": "header:X-Id",
		"JETHOOK_SOURCE_A_DEDUP": "false", "JETHOOK_SOURCE_A_B_DEDUP": "2h",
		"JETHOOK_SOURCE_GONE_SECRET": "", "JETHOOK_LISEN": "",
	})
	got, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	want := &Config{
		Listen: "0.0.0.0:80", AdminListen: "[::1]:81", MetricsListen: ":82", NATSListen: "off",
		AdminToken: NewSecret("0123456789abcdef"), DataDir: "/data", Sync: quantity.Sync(2 * time.Minute),
		NATSURL: "nats://me:pass@one:4222, two", NATSToken: NewSecret("nats-token"),
		NATSCreds: "creds", NATSTLSCA: "ca", NATSTLSCert: "cert", NATSTLSKey: "key",
		Replicas: 3, MaxBody: 1 << 20, DedupWindow: 2 * time.Hour, Retention: 2 * time.Hour,
		HistoryAge: 48 * time.Hour, HistoryMaxBytes: 64 << 20, DeadMaxBytes: 1 << 30,
		RetrySchedule: quantity.Schedule{}, DeliveryTimeout: 5 * time.Minute, DisableAfter: 0, LogLevel: -4, LogFormat: LogText,
		AllowedNetworks: []netip.Prefix{
			netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.168.1.5/32"),
			netip.MustParsePrefix("fd00::/8"), netip.MustParsePrefix("::1/128"),
		},
		RejectedRetention: 24 * time.Hour, AuditRetention: 2160 * time.Hour, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("172.16.0.0/12")},
		SourceNames: []string{"a", "a-b", "shop_2"},
		Sources: []Source{
			{
				Name: "a", Provider: "a", Secrets: []Secret{NewSecret(" v1,whsec_new , "), {}, NewSecret("old")},
				AllowedIPs: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, Tolerance: time.Hour, RateLimit: quantity.Rate{Count: 600, Per: time.Minute},
				URL: "https://hooks.example.com/webhooks/a?k=1", Audience: "aud", Email: "a@example.com", Dedup: quantity.NoDedup,
			},
			{
				Name: "a-b", Provider: "hmac", Secrets: []Secret{NewSecret("a-b's")}, Header: "X-Sig", Prefix: "sha256= ",
				Algorithm: "sha1", Encoding: "base64", Type: "json:type", ID: "header:X-Id", Split: true, Dedup: quantity.Dedup(2 * time.Hour),
			},
			{Name: "shop_2", Provider: "shop_2", Split: true},
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("Load() = %+v\nwant %+v", got, want)
	}
}

// Each case is one environment and all its problems, each a variable and a part of the reason.
func TestLoadProblems(t *testing.T) {
	type env = map[string]string
	tests := []struct {
		name string
		env  env
		want [][2]string
	}{
		{"all at once", env{
			"JETHOOK_REPLICAS": "three", "JETHOOK_SYNC": "never", "JETHOOK_MAX_BODY": "big", "JETHOOK_RETENTION": "7d",
			"JETHOOK_DEDUP_WINDOW": "200h", "JETHOOK_LOG_LEVEL": "loud", "JETHOOK_LOG_FORMAT": "xml", "JETHOOK_LISEN": ":1", "JETHOOK_FOO": "1",
		}, [][2]string{
			{"JETHOOK_SYNC", `"never" is neither always nor an interval`},
			{"JETHOOK_REPLICAS", `"three" is not a whole number`},
			{"JETHOOK_MAX_BODY", `"big" is not a size`},
			{"JETHOOK_RETENTION", `"7d" is not a duration`},
			{"JETHOOK_LOG_LEVEL", `"loud" is not a log level`},
			{"JETHOOK_LOG_FORMAT", `"xml" is not a log format`},
			{"JETHOOK_FOO", "is not a Jethook variable; unset it"},
			{"JETHOOK_LISEN", "did you mean JETHOOK_LISTEN?"},
		}},
		{"too small", env{
			"JETHOOK_SYNC": "999us", "JETHOOK_REPLICAS": "0", "JETHOOK_MAX_BODY": "1023", "JETHOOK_DEDUP_WINDOW": "-1h",
			"JETHOOK_DELIVERY_TIMEOUT": "0", "JETHOOK_DISABLE_AFTER": "-1s", "JETHOOK_ADMIN_TOKEN": "123456789012345", "JETHOOK_RETRY_SCHEDULE": "5m,0s",
		}, [][2]string{
			{"JETHOOK_SYNC", "1ms or more"},
			{"JETHOOK_RETRY_SCHEDULE", `not a pause: "0s"`},
			{"JETHOOK_ADMIN_TOKEN", "shorter than 16"},
			{"JETHOOK_REPLICAS", "0 is out of range: choose 1 to 5"},
			{"JETHOOK_MAX_BODY", "1023B is out of range: choose 1KiB to 64MiB"},
			{"JETHOOK_DEDUP_WINDOW", "-1h is too short"},
			{"JETHOOK_DELIVERY_TIMEOUT", "0s is out of range"},
			{"JETHOOK_DISABLE_AFTER", "-1s is negative"},
		}},
		{"too large", env{
			"JETHOOK_NATS_URL": "nats://x", "JETHOOK_REPLICAS": "6", "JETHOOK_MAX_BODY": "65MiB", "JETHOOK_DELIVERY_TIMEOUT": "301s",
			"JETHOOK_RETRY_SCHEDULE":    strings.Repeat("1s,", 21),
			"JETHOOK_HISTORY_RETENTION": "0", "JETHOOK_HISTORY_MAX_BYTES": "1KiB",
		}, [][2]string{
			{"JETHOOK_RETRY_SCHEDULE", "21 pauses are too many"},
			{"JETHOOK_REPLICAS", "6 is out of range"},
			{"JETHOOK_MAX_BODY", "65MiB is out of range"},
			{"JETHOOK_HISTORY_RETENTION", "0s is too short"},
			{"JETHOOK_HISTORY_MAX_BYTES", "1KiB is too little"},
			{"JETHOOK_DELIVERY_TIMEOUT", "5m1s is out of range"},
		}},
		{"a source", env{
			"JETHOOK_SOURCES": "a", "JETHOOK_SOURCE_A_URL": "hooks.example.com/a", "JETHOOK_SOURCE_A_SPLIT": "maybe",
			"JETHOOK_SOURCE_A_RATE_LIMIT": "10", "JETHOOK_SOURCE_A_ALLOWED_IPS": "anyone", "JETHOOK_SOURCE_A_TOLERANCE": "61m",
		}, [][2]string{
			{"JETHOOK_SOURCE_A_SPLIT", `"maybe" is neither true nor false`},
			{"JETHOOK_SOURCE_A_ALLOWED_IPS", `not a network: "anyone"`},
			{"JETHOOK_SOURCE_A_RATE_LIMIT", "not a rate"},
			{"JETHOOK_SOURCE_A_URL", "https://hooks.example.com/webhooks/a"},
			{"JETHOOK_SOURCE_A_TOLERANCE", "1h1m is out of range: choose 1s to 1h"},
		}},
		{"ids of a source", env{
			"JETHOOK_SOURCES": "a,b,c,d", "JETHOOK_DEDUP_WINDOW": "30s", "JETHOOK_SOURCE_A_DEDUP": "31s", "JETHOOK_SOURCE_B_DEDUP": "0",
			"JETHOOK_SOURCE_C_DEDUP": "true", "JETHOOK_SOURCE_D_DEDUP": "30s",
		}, [][2]string{
			{"JETHOOK_SOURCE_B_DEDUP", `"0" is neither false nor a duration`},
			{"JETHOOK_SOURCE_C_DEDUP", `"true" is neither false nor a duration`},
			{"JETHOOK_SOURCE_A_DEDUP", "31s is longer than JETHOOK_DEDUP_WINDOW, 30s"},
		}},
		{"retention under dedup window", env{"JETHOOK_RETENTION": "30m"}, [][2]string{
			{"JETHOOK_RETENTION", "30m is shorter than JETHOOK_DEDUP_WINDOW, 1h"},
		}},
		{"cluster settings without a cluster", env{
			"JETHOOK_REPLICAS": "3", "JETHOOK_NATS_CREDS": "c", "JETHOOK_NATS_TLS_CA": "c",
			"JETHOOK_NATS_TLS_CERT": "c", "JETHOOK_NATS_TLS_KEY": "k",
		}, [][2]string{
			{"JETHOOK_REPLICAS", "3 replicas need a cluster: set JETHOOK_NATS_URL"},
			{"JETHOOK_NATS_CREDS", "set JETHOOK_NATS_URL"},
			{"JETHOOK_NATS_TLS_CA", "set JETHOOK_NATS_URL"},
			{"JETHOOK_NATS_TLS_CERT", "set JETHOOK_NATS_URL"},
		}},
		{"certificate without key", env{"JETHOOK_NATS_URL": "tls://x", "JETHOOK_NATS_TLS_CERT": "c"}, [][2]string{
			{"JETHOOK_NATS_TLS_CERT", "JETHOOK_NATS_TLS_KEY"},
		}},
		{"addresses", env{
			"JETHOOK_LISTEN": "8080", "JETHOOK_ADMIN_LISTEN": "localhost:http", "JETHOOK_NATS_LISTEN": ":65536",
		}, [][2]string{
			{"JETHOOK_LISTEN", `"8080" is not an address`},
			{"JETHOOK_ADMIN_LISTEN", `"localhost:http" is not an address`},
			{"JETHOOK_NATS_LISTEN", `":65536" is not an address`},
		}},
		{"tokens that can be guessed", env{
			"JETHOOK_ADMIN_TOKEN": "fifteen-letters", "JETHOOK_NATS_TOKEN": "fifteen-letters", "JETHOOK_NATS_ADMIN_TOKEN": "15-letters-only",
		}, [][2]string{
			{"JETHOOK_ADMIN_TOKEN", "shorter than 16 characters"},
			{"JETHOOK_NATS_ADMIN_TOKEN", "shorter than 16 characters"},
			{"JETHOOK_NATS_TOKEN", "shorter than 16 characters"},
		}},
		{"one token for services and administrators", env{
			"JETHOOK_NATS_TOKEN": "sixteen-letters-and", "JETHOOK_NATS_ADMIN_TOKEN": "sixteen-letters-and",
		}, [][2]string{{"JETHOOK_NATS_ADMIN_TOKEN", "is also JETHOOK_NATS_TOKEN"}}},
		{"clients of the network without a login", env{"JETHOOK_NATS_LISTEN": ":4222"}, [][2]string{
			{"JETHOOK_NATS_LISTEN", `":4222" accepts clients from other machines without a login; set JETHOOK_NATS_TOKEN`},
		}},
		{"clients of the network with a login", env{"JETHOOK_NATS_LISTEN": ":4222", "JETHOOK_NATS_TOKEN": "sixteen-letters-and"}, nil},
		{"clients of this machine", env{"JETHOOK_NATS_LISTEN": "[::1]:4222"}, nil},
		{"a cluster's own token", env{"JETHOOK_NATS_URL": "nats://x", "JETHOOK_NATS_TOKEN": "short", "JETHOOK_NATS_LISTEN": ":4222"}, nil},
		{"one address for both", env{"JETHOOK_LISTEN": ":9", "JETHOOK_ADMIN_LISTEN": ":9"}, [][2]string{
			{"JETHOOK_ADMIN_LISTEN", `":9" is also JETHOOK_LISTEN`},
		}},
		{"metrics on another listener's address", env{"JETHOOK_METRICS_LISTEN": ":9", "JETHOOK_ADMIN_LISTEN": ":9", "JETHOOK_METRICS_MAX_SERIES": "-1"}, [][2]string{
			{"JETHOOK_METRICS_LISTEN", `":9" is JETHOOK_ADMIN_LISTEN too`}, {"JETHOOK_METRICS_MAX_SERIES", "-1 is out of range"},
		}},
		{"metrics in public", env{"JETHOOK_METRICS_LISTEN": ":8080"}, [][2]string{{"JETHOOK_METRICS_LISTEN", `":8080" is JETHOOK_LISTEN too`}}},
		{"metrics nowhere", env{"JETHOOK_METRICS_LISTEN": "off"}, [][2]string{{"JETHOOK_METRICS_LISTEN", `"off" is not an address`}}},
		{"any port for both", env{"JETHOOK_LISTEN": "127.0.0.1:0", "JETHOOK_ADMIN_LISTEN": "127.0.0.1:0"}, nil},
		{"networks", env{"JETHOOK_ALLOWED_NETWORKS": "10.0.0.0/33,10.0.0.0/8,home"}, [][2]string{
			{"JETHOOK_ALLOWED_NETWORKS", `not a network: "10.0.0.0/33", "home"`},
		}},
		{"empty lists", env{"JETHOOK_RETRY_SCHEDULE": ",", "JETHOOK_NATS_URL": " , "}, [][2]string{
			{"JETHOOK_RETRY_SCHEDULE", "holds no pause"},
			{"JETHOOK_NATS_URL", "holds no URL"},
		}},
		{"source names", env{
			"JETHOOK_SOURCES":             "Polar,a-b,a_b,events,-x,a.b,x,x," + strings.Repeat("y", 65),
			"JETHOOK_SOURCE_POLAR_SECRET": "s", "JETHOOK_SOURCE_A_B_SECRET": "s",
		}, [][2]string{
			{"JETHOOK_SOURCES", `"Polar" is not a source's name`},
			{"JETHOOK_SOURCES", `"a-b" and "a_b" would share the variables JETHOOK_SOURCE_A_B_`},
			{"JETHOOK_SOURCES", `"events" is reserved`},
			{"JETHOOK_SOURCES", `"-x" is not a source's name`},
			{"JETHOOK_SOURCES", `"a.b" is not a source's name`},
			{"JETHOOK_SOURCES", `"x" is listed twice`},
			{"JETHOOK_SOURCES", `"yyy`},
		}},
		{"source variables", env{
			"JETHOOK_SOURCES": "a", "JETHOOK_SOURCE_A_SECRTE": "s", "JETHOOK_SOURCE_A_B_SECRET": "s",
		}, [][2]string{
			{"JETHOOK_SOURCE_A_B_SECRET", "belongs to no source in JETHOOK_SOURCES"},
			{"JETHOOK_SOURCE_A_SECRTE", "did you mean JETHOOK_SOURCE_A_SECRET?"},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			setenv(t, tt.env)
			c, err := Load()
			var problems Problems
			if err != nil && !errors.As(err, &problems) {
				t.Fatalf("Load() = %v, %v; want Problems", c, err)
			}
			if len(problems) != len(tt.want) {
				t.Errorf("%d problems, want %d", len(problems), len(tt.want))
			}
			for i := range min(len(problems), len(tt.want)) {
				if p, want := problems[i], tt.want[i]; p.Variable != want[0] || !strings.Contains(p.Reason, want[1]) {
					t.Errorf("problem %d is %q, want %q", i, p, want)
				}
			}
			if err != nil && strings.Count(err.Error(), "\n") != len(problems)-1 {
				t.Error("not one line for each problem")
			}
			if t.Failed() {
				t.Logf("Load: %v", err)
			}
		})
	}
}

// Two sources must never mean the same variable: with LIMIT beside RATE_LIMIT, JETHOOK_SOURCE_A_RATE_LIMIT would be
// the one of source a and the other of source a-rate.
func TestNoSourceFieldEndsAsAnother(t *testing.T) {
	t.Parallel()
	list := settings("", &Source{})
	for _, a := range list {
		for _, b := range list {
			if strings.HasSuffix(a.name, "_"+b.name) {
				t.Errorf("%s ends as %s", a.name, b.name)
			}
		}
	}
}

// Decode panics on a field whose type it does not know.
func TestEveryFieldCanBeRead(t *testing.T) {
	t.Parallel()
	for _, s := range append(settings(prefix, &Config{}), settings(sourcePrefix, &Source{})...) {
		_ = s.Decode("x")
		if _, secret := s.field.(secretAt); s.meaning == "" && !secret { // of a kind of secrets three are told
			t.Errorf("%s has no desc", s.name)
		}
	}
}
