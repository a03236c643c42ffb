// Package config reads Jethook's settings from the environment.
//
// Every setting is one field of [Config], with its default and meaning beside it; the table of README.md is
// generated from those fields. [Load] reports every problem at once, each with its variable's name, and
// refuses JETHOOK_ variables it does not know, so that a misspelling never silently falls back to a default.
package config

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"jethook/config/quantity"
)

// Config is everything an operator can set. The zero value is not usable: take it from [Load], or in tests
// from [Default]. Printing one shows no secret.
type Config struct {
	Listen          string            `envconfig:"LISTEN" default:":8080" desc:"public listener: webhooks, /healthz and /readyz"`
	AdminListen     string            `envconfig:"ADMIN_LISTEN" default:"127.0.0.1:8081" desc:"admin API, dashboard, /metrics, /healthz and /readyz"`
	TLSCert         string            `envconfig:"TLS_CERT" desc:"certificate file (PEM, with its chain): LISTEN serves HTTPS alone; needs TLS_KEY"`
	TLSKey          string            `envconfig:"TLS_KEY" desc:"its key file"`
	AdminTLSCert    string            `envconfig:"ADMIN_TLS_CERT" desc:"certificate file (PEM, with its chain): ADMIN_LISTEN serves HTTPS alone; needs ADMIN_TLS_KEY. The commands on this machine trust it"`
	AdminTLSKey     string            `envconfig:"ADMIN_TLS_KEY" desc:"its key file"`
	AdminCA         string            `envconfig:"ADMIN_CA" desc:"CA certificates file by which the commands verify the admin API at an https address; empty: the system's CAs"`
	MetricsListen   string            `envconfig:"METRICS_LISTEN" desc:"where /metrics is served, without a login; empty: on ADMIN_LISTEN"`
	MetricsSeries   int               `envconfig:"METRICS_MAX_SERIES" default:"100" desc:"how many endpoints, and how many sources, the metrics name: 0 to 10000; the rest are added up as other"`
	AdminToken      Secret            `envconfig:"ADMIN_TOKEN" desc:"bearer token of the admin API, and login of the dashboard; made once and kept in DATA_DIR/admin-token if unset"`
	AdminReadToken  Secret            `envconfig:"ADMIN_READ_TOKEN" desc:"bearer token of the admin API, and login of the dashboard, that sees everything but secrets and changes nothing; empty: there is none"`
	AdminTokensFile string            `envconfig:"ADMIN_TOKENS_FILE" desc:"a file with further tokens of the admin API and the dashboard, by name and role; it is read again when it changes"`
	AdminHosts      []string          `envconfig:"ADMIN_HOSTS" desc:"comma-separated host names by which browsers reach the dashboard, such as jethook.internal; localhost and the listener's own address always do"`
	AdminBasePath   BasePath          `envconfig:"ADMIN_BASE_PATH" desc:"path under which a proxy serves the admin listener, such as /jethook"`
	PublicURL       string            `envconfig:"PUBLIC_URL" desc:"where senders reach JETHOOK_LISTEN, such as https://hooks.example.com: the dashboard shows the sources' addresses by it"`
	DataDir         string            `envconfig:"DATA_DIR" default:"jethook-data" desc:"the embedded server's store"`
	NATSURL         string            `envconfig:"NATS_URL" desc:"the NATS cluster to use: one or several servers, comma-separated, by nats, tls, ws or wss; empty: the embedded server"`
	NATSURLFile     string            `envconfig:"NATS_URL_FILE" desc:"a file that holds it, instead of the variable without _FILE; it is read at the start"`
	NATSDomain      string            `envconfig:"NATS_DOMAIN" desc:"cluster: the JetStream domain that holds the streams, such as the hub that a leaf node is connected to; empty: that of NATS_URL"`
	NATSListen      string            `envconfig:"NATS_LISTEN" default:"127.0.0.1:4222" desc:"where the embedded server listens for NATS clients; other machines can connect only if NATS_TOKEN is set; off: no clients"`
	NATSListenCert  string            `envconfig:"NATS_LISTEN_TLS_CERT" desc:"embedded server: certificate file (PEM, with its chain), with which NATS_LISTEN takes clients by TLS alone; needs NATS_LISTEN_TLS_KEY"`
	NATSListenKey   string            `envconfig:"NATS_LISTEN_TLS_KEY" desc:"its key file"`
	NATSListenCA    string            `envconfig:"NATS_LISTEN_TLS_CA" desc:"CA certificates file: NATS clients must show a certificate of one of them, beside their token; empty: they need none"`
	NATSCreds       string            `envconfig:"NATS_CREDS" desc:"credentials file to log in to the cluster"`
	NATSNKey        string            `envconfig:"NATS_NKEY" desc:"file with the seed of an nkey to log in to the cluster with"`
	NATSToken       Secret            `envconfig:"NATS_TOKEN" desc:"token to log in to the cluster; with the embedded server, the token that services log in with, at least 16 characters"`
	NATSAdminToken  Secret            `envconfig:"NATS_ADMIN_TOKEN" desc:"embedded server: token of an administrator's NATS client, which may do everything; if unset, generated once and kept in DATA_DIR/nats-admin-token"`
	NATSTLSCA       string            `envconfig:"NATS_TLS_CA" desc:"CA certificates file to verify the cluster with"`
	NATSTLSCert     string            `envconfig:"NATS_TLS_CERT" desc:"client certificate file"`
	NATSTLSKey      string            `envconfig:"NATS_TLS_KEY" desc:"client key file"`
	EventsStream    string            `envconfig:"EVENTS_STREAM" desc:"a stream that you already have, in the same account: what is stored there from now on is copied into EVENTS, so that a message on orders.created becomes the event orders.created on events.orders.created; nothing of that stream is changed"`
	EventsSubjects  []string          `envconfig:"EVENTS_SUBJECTS" desc:"comma-separated subjects of it, such as orders.>,users.*.created; empty: all"`
	Sync            quantity.Sync     `envconfig:"SYNC" default:"always" desc:"embedded server: fsync before each acknowledgement (always), or at an interval such as 2m"`
	Replicas        int               `envconfig:"REPLICAS" default:"1" desc:"replicas of every stream and bucket: 1 to 5; more than 1 needs a cluster"`
	SourceNames     []string          `envconfig:"SOURCES" desc:"comma-separated names of the sources to receive from: lower-case letters, digits, - and _"`
	MaxBody         quantity.Bytes    `envconfig:"MAX_BODY" default:"8MiB" desc:"largest request body, decompressed: 1KiB to 64MiB, in bytes, KiB or MiB"`
	LargeBodies     bool              `envconfig:"LARGE_BODIES" default:"false" desc:"true: store a webhook's body that no message can hold in the object store jethook_bodies, and let the message refer to it; the embedded server's messages then hold at most 8MiB"`
	DedupWindow     time.Duration     `envconfig:"DEDUP_WINDOW" default:"1h" desc:"how long an event id is remembered"`
	Retention       time.Duration     `envconfig:"RETENTION" default:"168h" desc:"how long events are kept: at least DEDUP_WINDOW"`
	RetrySchedule   quantity.Schedule `envconfig:"RETRY_SCHEDULE" default:"5m,30m,2h,5h,10h" desc:"pauses between attempts, at most 20; none: a single attempt; an endpoint can have its own"`
	DeliveryTimeout time.Duration     `envconfig:"DELIVERY_TIMEOUT" default:"20s" desc:"time limit of one attempt, at most 5m; an endpoint can have its own"`
	DisableAfter    time.Duration     `envconfig:"DISABLE_AFTER" default:"120h" desc:"how long an endpoint may fail without a success before it is disabled; 0: never"`
	EncryptionKeys  []Secret          `envconfig:"ENCRYPTION_KEY" desc:"encrypts the endpoints and the embedded server's store: at least 32 characters, such as from openssl rand -base64 32; several may be separated by commas if all are base64 or hex" numbered:"further keys, up to _9, to change it: the first one set encrypts, all decrypt"`
	AllowedNetworks []netip.Prefix    `envconfig:"ALLOWED_NETWORKS" desc:"private networks (CIDR or address, comma-separated) that deliveries may go to"`

	EgressProxy Secret `envconfig:"EGRESS_PROXY" desc:"proxy that deliveries go through: http://, https:// or socks5://, with user:password@ if it asks for them. Names are looked up and addresses checked here; the proxy is asked for the address"`

	RejectedMaxBytes  quantity.Bytes `envconfig:"REJECTED_MAX_BYTES" default:"256MiB" desc:"how much to keep of requests that failed verification, so that they can be retried; 0: nothing"`
	RejectedRetention time.Duration  `envconfig:"REJECTED_RETENTION" default:"72h" desc:"how long to keep them"`
	TrustedProxies    []netip.Prefix `envconfig:"TRUSTED_PROXIES" desc:"proxies (CIDR or address, comma-separated) whose X-Forwarded-For, Forwarded or X-Real-IP is trusted for the sender's address"`

	WebhooksMaxBytes   quantity.Bytes `envconfig:"WEBHOOKS_MAX_BYTES" default:"0" desc:"the most that the stream WEBHOOKS may hold; when it is full, senders get 503; 0: as much as the store does, or, in an account that requires limits, a fifth of it"`
	EventsMaxBytes     quantity.Bytes `envconfig:"EVENTS_MAX_BYTES" default:"0" desc:"the same for EVENTS: when it is full, services cannot publish"`
	DeliveriesMaxBytes quantity.Bytes `envconfig:"DELIVERIES_MAX_BYTES" default:"0" desc:"the same for DELIVERIES, or a tenth: when seven eighths of it are used, further failed deliveries wait in their processes until there is room"`
	DeadMaxBytes       quantity.Bytes `envconfig:"DEAD_MAX_BYTES" default:"1GiB" desc:"the most that dead letters may take, at most a tenth of the store; the oldest are removed"`
	AuditMaxBytes      quantity.Bytes `envconfig:"AUDIT_MAX_BYTES" default:"0" desc:"the same for the audit trail: when it is full, changes are refused; 0: as much as the store does, or, in an account that requires limits, a fiftieth of it"`
	BucketsMaxBytes    quantity.Bytes `envconfig:"BUCKETS_MAX_BYTES" default:"0" desc:"the most that each bucket of endpoints, cursors, recoveries and sources may hold; 0: as much as the store does, or, in an account that requires limits, a hundredth of it"`
	BodiesMaxBytes     quantity.Bytes `envconfig:"BODIES_MAX_BYTES" default:"0" desc:"the most that the object store of LARGE_BODIES may hold; when it is full, senders of large bodies get 503; 0: as much as the store does, or, in an account that requires limits, a tenth of it"`

	HistoryAge      time.Duration  `envconfig:"HISTORY_RETENTION" default:"720h" desc:"how long attempts are kept: at least 1m"`
	HistoryMaxBytes quantity.Bytes `envconfig:"HISTORY_MAX_BYTES" default:"1GiB" desc:"how much space the attempts may use (1GiB holds some million), at most a tenth of the store; the oldest are removed"`
	AuditRetention  time.Duration  `envconfig:"AUDIT_RETENTION" default:"2160h" desc:"how long the audit trail of what operators did is kept: at least 1h"`
	LogLevel        LogLevel       `envconfig:"LOG_LEVEL" default:"info" desc:"debug, info, warn or error"`
	ShutdownDelay   time.Duration  `envconfig:"SHUTDOWN_DELAY" default:"0s" desc:"on SIGTERM, how long requests are still served while /readyz fails, so that load balancers send no more: at most 5m; the image sets 5s"`
	LogFormat       LogFormat      `envconfig:"LOG_FORMAT" default:"auto" desc:"text, json, or auto: text on a terminal, otherwise JSON"`

	// Sources are the senders named by SourceNames, each read from its JETHOOK_SOURCE_<NAME>_ variables.
	Sources []Source `ignored:"true"`

	files map[string]secretFile // by variable: those that secrets were read from
}

// Source is one sender to receive webhooks from, read from JETHOOK_SOURCE_<NAME>_ variables (the name in
// upper case, "-" as "_"). Header to Encoding configure the generic hmac and token presets.
// No field's variable ends as "_" and another's, so that no two sources can ever mean the same variable.
type Source struct {
	Name string `ignored:"true"`

	Provider string `envconfig:"PROVIDER" desc:"the preset that verifies it; default: the source's name"`
	// Secrets are the values as they are set, each by its number: the zero Secret where a number between is not set.
	// Whether one holds several, with commas between, is for who knows the sender to say.
	Secrets []Secret `envconfig:"SECRET" desc:"the secret that verifies its requests, unchanged; not needed if the sender hands it over" numbered:"further ones, up to _9, for rotation: any may match; gaps are fine"`

	Header    string         `envconfig:"HEADER" desc:"hmac, token: the header that carries the signature or the token"`
	Prefix    string         `envconfig:"PREFIX" desc:"hmac, token: what precedes it, such as sha256="`
	Algorithm string         `envconfig:"ALGORITHM" desc:"hmac: sha256 (default), sha1 or sha512"`
	Encoding  string         `envconfig:"ENCODING" desc:"hmac: hex (default), base64 or base64url"`
	Type      string         `envconfig:"TYPE" desc:"where the event type is, if not where the provider has it: json:PATH, header:NAME, form:FIELD, formjson:FIELD:PATH, multipartjson:FIELD:PATH, query:NAME or const:VALUE; with several, as in json:type or header:X-Type, the first that is present counts"`
	ID        string         `envconfig:"ID" desc:"where the event id is, if not where the provider has it: as for TYPE, without const:VALUE; the default id is a hash of the body"`
	Dedup     quantity.Dedup `envconfig:"DEDUP" desc:"how long an event's id is remembered, such as 10s, at most DEDUP_WINDOW: after that it is a new event with its own id; false: not at all; default: DEDUP_WINDOW, or 10s if the id is a hash of a body that does not say when the event happened"`

	URL      string `envconfig:"URL" desc:"for senders that sign their address: the public address exactly as the sender has it, such as https://hooks.example.com/webhooks/twilio"`
	Split    bool   `envconfig:"SPLIT" default:"true" desc:"false: a request with several events becomes one message instead of one each"`
	Audience string `envconfig:"AUDIENCE" desc:"google-pubsub: the audience of the push subscription, if it is not its address, URL"`
	Email    string `envconfig:"EMAIL" desc:"google-pubsub: the service account that signs, instead of SECRET or beside it; one of the two must be set"`

	Tolerance time.Duration `envconfig:"TOLERANCE" desc:"how far a signed timestamp may differ from this machine's clock, 1s to 1h; default: what the provider documents, mostly 5m"`

	Gzip    bool           `envconfig:"GZIP" default:"false" desc:"true: accept bodies that a sender or a proxy has compressed with gzip; polytomic's are always accepted"`
	MaxBody quantity.Bytes `envconfig:"MAX_BODY" desc:"largest request body of this source, as sent and decompressed: up to 64MiB, or on a cluster without LARGE_BODIES its max_payload less 64KiB; default: JETHOOK_MAX_BODY"`

	AllowedIPs []netip.Prefix `envconfig:"ALLOWED_IPS" desc:"networks (CIDR or address, comma-separated) that may send; default: all"`
	RateLimit  quantity.Rate  `envconfig:"RATE_LIMIT" desc:"maximum rate of verified requests per process, such as 100/s or 6000/m; further requests get 429 with Retry-After; default: no limit"`
}

// BodyLimit is the most that any setting may allow a body, in bytes.
const BodyLimit = 64 << 20

// LargestBody is the largest body that any source may send, or a client of the admin API.
func (c *Config) LargestBody() quantity.Bytes {
	most := c.MaxBody
	for _, s := range c.Sources {
		most = max(most, s.MaxBody)
	}
	return most
}

// Format prints every field but the password or token that NATSURL may hold; a [Secret] hides itself.
func (c Config) Format(f fmt.State, verb rune) {
	fmt.Fprintf(f, fmt.FormatString(f, verb), c.printable())
}

// MarshalJSON hides what [Config.Format] hides.
func (c Config) MarshalJSON() ([]byte, error) {
	return json.Marshal(c.printable())
}

// ShownNATSURL is NATSURL without a login.
func (c *Config) ShownNATSURL() string { return redactURLs(c.NATSURL) }

// printable is a Config without its methods, so that printing it does not recurse.
type printable Config

func (c Config) printable() printable {
	c.NATSURL = redactURLs(c.NATSURL)
	return printable(c)
}
