package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"jethook/config/quantity"
	"jethook/config/token"
)

// Problem is one thing wrong with one variable.
type Problem struct {
	Variable string // its full name
	Reason   string // what is wrong and what to do, on one line, without secrets
}

// Problems is everything wrong with the configuration.
type Problems []Problem

// Error returns one line for each problem: the variable's name, what is wrong, and what to do.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.Variable + ": " + problem.Reason
	}
	return strings.Join(lines, "\n")
}

func (p *Problems) add(variable, format string, args ...any) {
	*p = append(*p, Problem{Variable: variable, Reason: fmt.Sprintf(format, args...)})
}

// require adds a problem unless ok holds, or the variable has a problem already.
func (p *Problems) require(ok bool, variable, format string, args ...any) {
	if !ok && !p.has(variable) {
		p.add(variable, format, args...)
	}
}

func (p *Problems) has(variable string) bool {
	return slices.ContainsFunc(*p, func(problem Problem) bool { return problem.Variable == variable })
}

// Bounds of what can be set.
const (
	minBody            = quantity.Bytes(1 << 10)
	maxBody            = quantity.Bytes(BodyLimit)
	maxDeliveryTimeout = 5 * time.Minute
	maxShutdownDelay   = 5 * time.Minute
	maxReplicas        = 5 // of nats-server
	minKeyLength       = 32
	minHistory         = time.Minute
	minAudit           = time.Hour
	minHistoryBytes    = quantity.Bytes(1 << 20)
	maxMetricsSeries   = 10_000
)

// check finds what is wrong with the values together, and with single values beyond their form.
func check(p *Problems, c *Config) {
	checkAddress(p, "JETHOOK_LISTEN", c.Listen)
	checkAddress(p, "JETHOOK_ADMIN_LISTEN", c.AdminListen)
	if c.NATSListen != "off" {
		checkAddress(p, "JETHOOK_NATS_LISTEN", c.NATSListen)
	}
	p.require(c.AdminListen != c.Listen || strings.HasSuffix(c.Listen, ":0"), "JETHOOK_ADMIN_LISTEN",
		"%q is also JETHOOK_LISTEN, which is public; choose another port", c.AdminListen)
	checkToken(p, "JETHOOK_ADMIN_TOKEN", c.AdminToken, "choose a longer one, or unset it to generate one")
	checkDashboard(p, c)
	if c.AdminTokensFile != "" {
		_, err := token.ReadNamed(c.AdminTokensFile)
		p.require(err == nil, "JETHOOK_ADMIN_TOKENS_FILE", "cannot be used: %v", err)
	}
	checkToken(p, "JETHOOK_NATS_ADMIN_TOKEN", c.NATSAdminToken, "choose a longer one, or unset it to generate one")
	checkEncryptionKeys(p, c.EncryptionKeys)
	checkPair(p, "JETHOOK_TLS", c.TLSCert, c.TLSKey)
	checkPair(p, "JETHOOK_ADMIN_TLS", c.AdminTLSCert, c.AdminTLSKey)
	checkPair(p, "JETHOOK_NATS_LISTEN_TLS", c.NATSListenCert, c.NATSListenKey)
	p.require(c.NATSListenCA == "" || c.NATSListenCert != "", "JETHOOK_NATS_LISTEN_TLS_CA", "requires JETHOOK_NATS_LISTEN_TLS_CERT")
	checkProxy(p, c)
	checkNATS(p, c)
	checkMetrics(p, c)
	checkSizes(p, c)
	checkEventsStream(p, c)

	p.require(minBody <= c.MaxBody && c.MaxBody <= maxBody, "JETHOOK_MAX_BODY",
		"%s is out of range: choose %s to %s", c.MaxBody, minBody, maxBody)
	for _, s := range c.Sources {
		p.require(s.MaxBody == 0 || minBody <= s.MaxBody && s.MaxBody <= maxBody, variablesOf(s.Name)+"MAX_BODY",
			"%s is out of range: choose %s to %s", s.MaxBody, minBody, maxBody)
	}
	p.require(c.DedupWindow >= quantity.MinDedup, "JETHOOK_DEDUP_WINDOW",
		"%s is too short: choose %s or more", quantity.Short(c.DedupWindow), quantity.MinDedup)
	p.require(c.Retention >= c.DedupWindow || p.has("JETHOOK_DEDUP_WINDOW"), "JETHOOK_RETENTION",
		"%s is shorter than JETHOOK_DEDUP_WINDOW, %s; NATS remembers an event's id no longer than the event; change one of them",
		quantity.Short(c.Retention), quantity.Short(c.DedupWindow))
	for _, s := range c.Sources {
		p.require(time.Duration(s.Dedup) <= c.DedupWindow || p.has("JETHOOK_DEDUP_WINDOW"), variablesOf(s.Name)+"DEDUP",
			"%s is longer than JETHOOK_DEDUP_WINDOW, %s, for which the store remembers ids: change either", s.Dedup, quantity.Short(c.DedupWindow))
	}
	p.require(c.HistoryAge >= minHistory, "JETHOOK_HISTORY_RETENTION",
		"%s is too short: choose %s or more", quantity.Short(c.HistoryAge), quantity.Short(minHistory))
	p.require(c.AuditRetention >= minAudit, "JETHOOK_AUDIT_RETENTION",
		"%s is too short: choose %s or more", quantity.Short(c.AuditRetention), quantity.Short(minAudit))
	p.require(c.HistoryMaxBytes >= minHistoryBytes, "JETHOOK_HISTORY_MAX_BYTES",
		"%s is too little: choose %s or more", c.HistoryMaxBytes, minHistoryBytes)
	p.require(0 < c.DeliveryTimeout && c.DeliveryTimeout <= maxDeliveryTimeout, "JETHOOK_DELIVERY_TIMEOUT",
		"%s is out of range: choose more than 0 and at most %s",
		quantity.Short(c.DeliveryTimeout), quantity.Short(maxDeliveryTimeout))
	p.require(c.RejectedRetention >= time.Minute, "JETHOOK_REJECTED_RETENTION",
		"%s is too short: choose 1m or more; JETHOOK_REJECTED_MAX_BYTES=0 keeps nothing", quantity.Short(c.RejectedRetention))
	p.require(0 <= c.ShutdownDelay && c.ShutdownDelay <= maxShutdownDelay, "JETHOOK_SHUTDOWN_DELAY",
		"%s is out of range: choose 0s to %s", quantity.Short(c.ShutdownDelay), quantity.Short(maxShutdownDelay))
	p.require(c.DisableAfter >= 0, "JETHOOK_DISABLE_AFTER",
		"%s is negative: choose a duration such as 120h, or 0 for never", quantity.Short(c.DisableAfter))
}

// checkPair makes sure that a certificate comes with its key.
func checkPair(p *Problems, prefix, cert, key string) {
	p.require(cert == "" || key != "", prefix+"_CERT", "requires %s_KEY; set both or neither", prefix)
	p.require(key == "" || cert != "", prefix+"_KEY", "requires %s_CERT; set both or neither", prefix)
}

func checkMetrics(p *Problems, c *Config) {
	const variable = "JETHOOK_METRICS_LISTEN"
	if c.MetricsListen != "" {
		checkAddress(p, variable, c.MetricsListen)
		const taken = "%q is %s too: choose another port"
		p.require(c.MetricsListen != c.Listen || strings.HasSuffix(c.Listen, ":0"), variable, taken, c.MetricsListen, "JETHOOK_LISTEN")
		p.require(c.MetricsListen != c.AdminListen || strings.HasSuffix(c.AdminListen, ":0"), variable, taken, c.MetricsListen, "JETHOOK_ADMIN_LISTEN")
	}
	p.require(0 <= c.MetricsSeries && c.MetricsSeries <= maxMetricsSeries, "JETHOOK_METRICS_MAX_SERIES",
		"%d is out of range: choose 0 to %d", c.MetricsSeries, maxMetricsSeries)
}

func checkAddress(p *Problems, variable, address string) {
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	p.require(err == nil, variable,
		"%q is not an address to listen on: write host:port or :port, such as 127.0.0.1:8080", address)
}

// checkToken finds a token that lets its bearer in and could be guessed. Quotes are what a file of variables that is
// read without a shell leaves there.
func checkToken(p *Problems, variable string, given Secret, remedy string) {
	text := given.Reveal()
	p.require(given.IsZero() || !Quoted(text), variable, "begins and ends with a quote; remove the quotes")
	p.require(given.IsZero() || len(text) >= token.MinLength, variable, "is shorter than %d characters; %s", token.MinLength, remedy)
}

// encryptionKey is the variable of the keys.
const encryptionKey = prefix + "ENCRYPTION_KEY"

// encoded is what keys in hex and base64 are made of, which no comma is.
var encoded = regexp.MustCompile(`^[A-Za-z0-9+/_-]+={0,2}$`)

// readKeys returns the keys in the order of their variables. One with commas holds several keys if all are hex or base64,
// as they were always read. Any other might be a single passphrase: to guess wrong would lose what is encrypted.
func readKeys(p *Problems, values []Secret) []Secret {
	if values == nil {
		return nil
	}
	keys := []Secret{}
	for i, value := range values {
		text := strings.TrimSpace(value.Reveal())
		parts := quantity.Split(text)
		if len(parts) > 1 && slices.ContainsFunc(parts, func(part string) bool { return !encoded.MatchString(part) }) {
			p.add(secretVariable(encryptionKey, i), "contains a comma, but not only hex or base64 keys; set each key in its own variable, "+
				"the next one in %s. Earlier releases split the value at commas", secretVariable(encryptionKey, i+1))
			continue
		}
		for _, part := range parts {
			keys = append(keys, NewSecret(part))
		}
	}
	return keys
}

func checkEncryptionKeys(p *Problems, keys []Secret) {
	const variable = encryptionKey
	// A nil list is a variable that is not set; an empty one would leave in clear what is meant to be encrypted.
	p.require(keys == nil || len(keys) > 0, variable, "holds no key: unset it, or make one with openssl rand -base64 32")
	for i, key := range keys {
		p.require(len(key.Reveal()) >= minKeyLength, variable,
			"key %d is shorter than %d characters: make one with openssl rand -base64 32", i+1, minKeyLength)
	}
}

func checkNATS(p *Problems, c *Config) {
	checkNATSURL(p, c.NATSURL)
	p.require(1 <= c.Replicas && c.Replicas <= maxReplicas, "JETHOOK_REPLICAS",
		"%d is out of range: choose 1 to %d", c.Replicas, maxReplicas)
	checkPair(p, "JETHOOK_NATS_TLS", c.NATSTLSCert, c.NATSTLSKey)
	checkNATSLogin(p, c)
	if c.NATSURL != "" { // whose token is the cluster's to judge
		return
	}
	checkToken(p, "JETHOOK_NATS_TOKEN", c.NATSToken, "make one with openssl rand -hex 16")
	p.require(c.Replicas == 1, "JETHOOK_REPLICAS",
		"%d replicas need a cluster: set JETHOOK_NATS_URL, or leave 1 for the embedded server", c.Replicas)
	const unused = "applies only to a cluster; set JETHOOK_NATS_URL, or unset this for the embedded server"
	p.require(c.NATSCreds == "", "JETHOOK_NATS_CREDS", unused)
	p.require(c.NATSNKey == "", "JETHOOK_NATS_NKEY", unused)
	p.require(c.NATSDomain == "", "JETHOOK_NATS_DOMAIN", unused)
	p.require(c.NATSTLSCA == "", "JETHOOK_NATS_TLS_CA", unused)
	p.require(c.NATSTLSCert == "", "JETHOOK_NATS_TLS_CERT", unused)
	checkNATSClients(p, c)
}

// checkNATSClients makes sure that no stranger gets into the embedded server, and no service further than it may.
func checkNATSClients(p *Problems, c *Config) {
	p.require(c.NATSToken.IsZero() || c.NATSToken.Reveal() != c.NATSAdminToken.Reveal(), "JETHOOK_NATS_ADMIN_TOKEN",
		"is also JETHOOK_NATS_TOKEN, which is for services; choose another one")
	host, _, err := net.SplitHostPort(c.NATSListen)
	p.require(err != nil || isLoopback(host) || !c.NATSToken.IsZero(), "JETHOOK_NATS_LISTEN",
		"%q accepts clients from other machines without a login; set JETHOOK_NATS_TOKEN, or listen on 127.0.0.1", c.NATSListen)
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// checkNATSURL names a bad URL by its place only, since any part of a malformed one may be a password.
func checkNATSURL(p *Problems, urls string) {
	const variable = "JETHOOK_NATS_URL"
	list := quantity.Split(urls)
	p.require(urls == "" || len(list) > 0, variable, "holds no URL: write one such as nats://host:4222")
	for i, text := range list {
		if !strings.Contains(text, "://") {
			text = "nats://" + text // as nats.go reads it
		}
		u, err := url.Parse(text)
		if err != nil || u.Hostname() == "" {
			p.add(variable, "URL %d is malformed: write nats://host:4222, and %%-escape what is special in a password", i+1)
			continue
		}
		switch u.Scheme {
		case "nats", "tls":
			if strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
				p.add(variable, "URL %d has more than a host and port; %%-escape /, ?, and # in a password", i+1)
			}
		case "ws", "wss":
		default:
			p.add(variable, "URL %d has a scheme that NATS does not know: write nats, tls, ws or wss", i+1)
		}
	}
}

// checkSourceURL makes sure that an address can be the one a sender signs: it is signed as it is written.
func checkSourceURL(p *Problems, s *Source) {
	if s.URL == "" {
		return
	}
	u, err := url.Parse(s.URL)
	p.require(err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.Fragment == "", variablesOf(s.Name)+"URL",
		"is not a public URL; write one such as https://hooks.example.com/webhooks/%s", s.Name)
}

// sourceName is what can stand in a URL's path and as one token of a NATS subject, and has an environment
// variable.
var sourceName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)

// reservedSource would make a sender's webhooks look like the internal events of the EVENTS stream.
const reservedSource = "events"

func checkSourceNames(p *Problems, names []string) {
	const variable = "JETHOOK_SOURCES"
	owner := make(map[string]string, len(names))
	for _, name := range names {
		if !sourceName.MatchString(name) {
			p.add(variable, "%q is not a source's name: "+
				"write at most 64 lower-case letters, digits, - and _, first a letter or digit", name)
		}
		if name == reservedSource {
			p.add(variable, "%q is reserved: choose another name and set its PROVIDER", name)
		}
		variables := variablesOf(name)
		other, taken := owner[variables]
		switch {
		case taken && other == name:
			p.add(variable, "%q is listed twice", name)
		case taken:
			p.add(variable, "%q and %q would share the variables %s...: rename one", other, name, variables)
		}
		owner[variables] = name
	}
}
