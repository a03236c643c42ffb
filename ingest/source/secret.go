package source

import (
	"errors"
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

// readSecrets reads the secrets as they are set. The server, the check at its start and the trial of jethook verify
// all have theirs from here, so that none takes for a secret what another does not.
func (src *Source) readSecrets(c *config.Source) {
	for i, secret := range c.Secrets {
		if secret.IsZero() {
			continue
		}
		set := setSecret{variable: c.SecretVariable(i), value: secret.Reveal()}
		set.secrets, set.err = src.Sender.ReadSecret(set.value)
		src.set = append(src.set, set)
		src.binding.Secrets = append(src.binding.Secrets, set.secrets...)
	}
}

// Renew makes the source verify with the secrets that it has in the given configuration; nothing else of that is looked at.
func (src *Source) Renew(c *config.Source) error {
	src.mu.Lock()
	defer src.mu.Unlock()
	set, binding := src.set, src.binding
	src.set, src.binding.Secrets = nil, nil
	src.readSecrets(c)
	err := src.Bind()
	if err != nil {
		src.set, src.binding = set, binding
	}
	return err
}

// ReadError is why the secrets can't be read, nil if they can.
func (src *Source) ReadError() error {
	for _, set := range src.set {
		if set.err != nil {
			return set.err
		}
	}
	return nil
}

// unusable tells what is wrong with the secrets one by one, so that each has its variable's name. Those that read well
// are bound only if the sender is known for sure.
func (src *Source) unusable(bind bool) (problems config.Problems) {
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

// Weaknesses tells which secrets others could guess.
func (src *Source) Weaknesses() (problems config.Problems) {
	for _, set := range src.set {
		for _, secret := range set.secrets {
			if err := src.Sender.CheckStrength(secret); err != nil {
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
		if src, _ := Prepare(c, nil); src != nil {
			doubts = append(doubts, src.Doubts()...)
		}
	}
	return doubts
}

// Doubts tells of secrets that verify, and that are probably not what their operator means.
func (src *Source) Doubts() (doubts config.Problems) {
	for _, set := range src.set {
		if doubt := src.Sender.Doubt(set.value); doubt != "" {
			doubts = append(doubts, config.Problem{Variable: set.variable, Reason: doubt})
		}
	}
	return doubts
}

// Secrets returns those that are configured and those that the sender handed over.
func (src *Source) Secrets() []string {
	src.mu.Lock()
	defer src.mu.Unlock()
	all := src.binding.Secrets
	for _, learned := range src.learned {
		all = append(all[:len(all):len(all)], learned.Value.Reveal())
	}
	return all
}

// Bare reports whether no secret is set for the source.
func (src *Source) Bare() bool { return len(src.set) == 0 }
