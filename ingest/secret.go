package ingest

import (
	"errors"
	"fmt"
	"strings"

	"jethook/config"
	"jethook/ingest/provider"
)

// setSecret is the value of one of a source's SECRET variables.
type setSecret struct {
	variable string
	value    string
	secrets  []string // that are in it
	err      error    // why it can't be read
}

// readSecrets reads the secrets as they are set. The server, the check at its start and [Trial], which is jethook verify,
// all have theirs from here, so that none takes for a secret what another does not.
func (src *source) readSecrets(c *config.Source) {
	for i, secret := range c.Secrets {
		if secret.IsZero() {
			continue
		}
		set := setSecret{variable: c.SecretVariable(i), value: secret.Reveal()}
		set.secrets, set.err = src.sender.ReadSecret(set.value)
		src.set = append(src.set, set)
		src.binding.Secrets = append(src.binding.Secrets, set.secrets...)
	}
}

// Renew makes the sources verify with the secrets that they have in the given configuration, from the next request on; nothing
// else of it is looked at. [Check] must have found nothing wrong with it.
func (s *Server) Renew(sources []config.Source) error {
	var failed []error
	for i := range sources {
		if src, ok := s.sources[sources[i].Name]; ok {
			if err := src.renew(&sources[i]); err != nil {
				failed = append(failed, fmt.Errorf("source %s: %w", src.name, err))
			}
		}
	}
	return errors.Join(failed...)
}

func (src *source) renew(c *config.Source) error {
	src.mu.Lock()
	defer src.mu.Unlock()
	set, binding := src.set, src.binding
	src.set, src.binding.Secrets = nil, nil
	src.readSecrets(c)
	err := src.bind()
	if err != nil {
		src.set, src.binding = set, binding
	}
	return err
}

// readError is why the secrets can't be read, nil if they can.
func (src *source) readError() error {
	for _, set := range src.set {
		if set.err != nil {
			return set.err
		}
	}
	return nil
}

// unusable tells what is wrong with the secrets one by one, so that each has its variable's name. Those that read well
// are bound only if the sender is known for sure.
func (src *source) unusable(bind bool) (problems config.Problems) {
	for _, set := range src.set {
		err := set.err
		for _, secret := range set.secrets {
			if err != nil || !bind {
				break
			}
			b := src.binding
			b.Secrets = []string{secret}
			_, err = src.bound(b)
		}
		if err == nil {
			continue
		}
		reason := err.Error()
		if errors.Is(err, provider.ErrBadSecret) && strings.Contains(set.value, ",") {
			reason += "; it was read as a single secret that contains a comma; set further secrets in SECRET_2, SECRET_3, ..."
		}
		problems = append(problems, config.Problem{Variable: set.variable, Reason: reason})
	}
	return problems
}

// weaknesses tells which secrets others could guess.
func (src *source) weaknesses() (problems config.Problems) {
	for _, set := range src.set {
		for _, secret := range set.secrets {
			if err := src.sender.CheckStrength(secret); err != nil {
				problems = append(problems, config.Problem{Variable: set.variable, Reason: err.Error() + "; set a longer one at the sender and here"})
				break
			}
		}
	}
	return problems
}

// Doubts tells of secrets that [Check] finds nothing wrong with, and that are probably not what their operator means.
func Doubts(sources []config.Source) (doubts config.Problems) {
	for _, c := range sources {
		if src, _ := prepare(c, nil); src != nil {
			doubts = append(doubts, src.doubts()...)
		}
	}
	return doubts
}

func (src *source) doubts() (doubts config.Problems) {
	for _, set := range src.set {
		if doubt := src.sender.Doubt(set.value); doubt != "" {
			doubts = append(doubts, config.Problem{Variable: set.variable, Reason: doubt})
		}
	}
	return doubts
}
