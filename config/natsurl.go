package config

import (
	"os"
	"strings"

	"github.com/nats-io/nkeys"
)

// readNATSURL reads NATS_URL from a file, since it may hold a password.
func readNATSURL(p *Problems, c *Config) {
	const variable = "JETHOOK_NATS_URL_FILE"
	if c.NATSURLFile == "" {
		return
	}
	p.require(c.NATSURL == "", variable, "conflicts with JETHOOK_NATS_URL, which is also set; unset one of them")
	text, err := os.ReadFile(c.NATSURLFile)
	c.NATSURL = strings.TrimSpace(string(text))
	p.require(err == nil, variable, "cannot be read: %v", err)
	p.require(err != nil || c.NATSURL != "", variable, "holds no URL")
}

// checkNATSLogin finds what is wrong with how Jethook logs in to a cluster.
func checkNATSLogin(p *Problems, c *Config) {
	p.require(!strings.ContainsAny(c.NATSDomain, ".*> \t"), "JETHOOK_NATS_DOMAIN", "%q is no domain: it has no dots, spaces or wildcards", c.NATSDomain)
	p.require(c.NATSNKey == "" || c.NATSCreds == "", "JETHOOK_NATS_NKEY", "conflicts with JETHOOK_NATS_CREDS, which is also set; unset one of them")
	if c.NATSNKey == "" {
		return
	}
	seed, err := os.ReadFile(c.NATSNKey)
	if err == nil {
		_, err = nkeys.ParseDecoratedNKey(seed)
	}
	p.require(err == nil, "JETHOOK_NATS_NKEY", "cannot be used as the file of a seed: %v", err)
}
