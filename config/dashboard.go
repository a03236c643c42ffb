package config

import (
	"errors"
	"net"
	"net/url"
	"path"
	"strings"
)

// BasePath is a path under which something is served: empty, or one that begins with a slash and does not end with one.
type BasePath string

// errBasePath says how a base path is written.
var errBasePath = errors.New("write a path such as /jethook, of letters, digits, - . _ and /")

// UnmarshalText reads a base path, with or without a slash at its end.
func (b *BasePath) UnmarshalText(text []byte) error {
	given := strings.TrimSuffix(strings.TrimSpace(string(text)), "/")
	odd := strings.ContainsFunc(given, func(r rune) bool { return r != '/' && r != '.' && notNameRune(r) })
	if given != "" && (odd || path.Clean(given) != given || given[0] != '/') {
		return errBasePath
	}
	*b = BasePath(given)
	return nil
}

func notNameRune(r rune) bool {
	return !(r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '-' || r == '_')
}

// checkDashboard finds what is wrong with the settings of the dashboard.
func checkDashboard(p *Problems, c *Config) {
	checkToken(p, "JETHOOK_ADMIN_READ_TOKEN", c.AdminReadToken, "choose a longer one, or unset it and there is none")
	p.require(c.AdminReadToken.IsZero() || c.AdminReadToken.Reveal() != c.AdminToken.Reveal(), "JETHOOK_ADMIN_READ_TOKEN",
		"is JETHOOK_ADMIN_TOKEN too, which changes things: choose another one")
	for _, host := range c.AdminHosts {
		p.require(isHost(host), "JETHOOK_ADMIN_HOSTS", "%q is not a host: write names or addresses alone, such as jethook.internal", host)
	}
	if c.PublicURL == "" {
		return
	}
	u, err := url.Parse(c.PublicURL)
	p.require(err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil && u.RawQuery == "" && u.Fragment == "",
		"JETHOOK_PUBLIC_URL", "is not an address that senders can be given: write one such as https://hooks.example.com")
}

func isHost(host string) bool {
	if net.ParseIP(strings.Trim(host, "[]")) != nil {
		return true
	}
	return host != "" && !strings.ContainsFunc(host, func(r rune) bool { return r != '.' && notNameRune(r) })
}
