package ingest

import (
	"errors"
	"net/netip"
	"strings"

	"golang.org/x/time/rate"

	"jethook/config"
	"jethook/ingest/provider"
)

// source is one sender as configured, ready to verify.
type source struct {
	name     string
	sender   provider.Sender
	verifier provider.Verifier
	dropped  map[string]bool // request headers that are not stored, in canonical form
	networks []netip.Prefix  // that may send; none: all
	limiter  *rate.Limiter   // of verified requests; nil: none
	refusals trouble
	figures  figures
}

// newSources prepares every source, or reports as [config.Problems] everything wrong with all of them.
func newSources(configured []config.Source) (map[string]*source, error) {
	sources := make(map[string]*source, len(configured))
	var problems config.Problems
	for _, c := range configured {
		src, found := newSource(c)
		problems = append(problems, found...)
		sources[c.Name] = src
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return sources, nil
}

// Check returns everything that is wrong with the sources, as New would.
func Check(sources []config.Source) config.Problems {
	_, err := newSources(sources)
	problems, _ := errors.AsType[config.Problems](err)
	return problems
}

func newSource(c config.Source) (*source, config.Problems) {
	var problems config.Problems
	add := func(option, reason string) {
		problems = append(problems, config.Problem{Variable: variable(c.Name, option), Reason: reason})
	}
	sender, faults := provider.Build(c.Provider, provider.Options{
		Header: c.Header, Prefix: c.Prefix, Algorithm: c.Algorithm, Encoding: c.Encoding, Type: c.Type, ID: c.ID,
	})
	for _, f := range faults {
		add(f.Option, f.Problem)
	}
	if len(c.Secrets) == 0 {
		add("SECRET", "must be set: requests that cannot be verified are not taken")
	}
	if len(problems) > 0 {
		return nil, problems
	}
	secrets := make([]string, len(c.Secrets))
	for i, s := range c.Secrets {
		secrets[i] = s.Reveal()
	}
	verifier, err := sender.Scheme.Bind(secrets)
	if err != nil {
		add("SECRET", err.Error())
		return nil, problems
	}
	return &source{
		name:     c.Name,
		sender:   sender,
		verifier: verifier,
		dropped:  droppedHeaders(sender.Scheme.Credentials()),
		networks: c.AllowedIPs,
		limiter:  newLimiter(c.RateLimit),
	}, nil
}

// variable is the name of a source's variable.
func variable(source, option string) string {
	return "JETHOOK_SOURCE_" + strings.ToUpper(strings.ReplaceAll(source, "-", "_")) + "_" + option
}
