package config

import (
	"net/url"
	"slices"
)

// proxyPorts are the schemes of proxies, with the port of each where none is given.
var proxyPorts = map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}

// Proxy returns the URL of EgressProxy with its port; nil if there is none. It may hold a password.
func (c *Config) Proxy() *url.URL {
	if c.EgressProxy.IsZero() {
		return nil
	}
	u, err := url.Parse(c.EgressProxy.Reveal())
	if err != nil || proxyPorts[u.Scheme] == "" {
		return nil // check tells
	}
	if u.Port() == "" {
		u.Host += ":" + proxyPorts[u.Scheme]
	}
	return u
}

// checkProxy says nothing of the value, any part of which may be a password.
func checkProxy(p *Problems, c *Config) {
	u := c.Proxy()
	p.require(c.EgressProxy.IsZero() || u != nil && u.Hostname() != "" && slices.Contains([]string{"", "/"}, u.Path) && u.RawQuery == "" && u.Fragment == "",
		"JETHOOK_EGRESS_PROXY", "is not a proxy's URL: write http://, https:// or socks5:// with host and port, and %%-escape what is special in a password")
}
