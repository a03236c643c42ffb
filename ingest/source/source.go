// Package source is a configured source as far as verifying goes: which secrets it has, whether a request is its sender's, and
// what events the request is. Who may send, how often, and what a refusal looks like, is the package ingest's.
package source

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"jethook/config"
	"jethook/ingest/dedup"
	"jethook/ingest/header"
	"jethook/ingest/provider"
	"jethook/publish/sources"
)

// Source is one sender as configured, ready to verify.
type Source struct {
	Name    string
	URL     string // the public address that the sender was given, empty if unknown
	Sender  provider.Sender
	Headers header.Rules
	Dedup   *dedup.Dedup
	MaxBody int64 // bytes, as sent and inflated; 0: the common limit

	whole bool // a request with several events stays one
	gzip  bool // compressed bodies are taken
	// tolerance is how far the time of a request may be off; 0: as the sender's row says
	tolerance time.Duration

	mu      sync.Mutex              // guards what follows, and that receiver is bound to it
	binding provider.Binding        // with the configured secrets alone
	set     []setSecret             // the secrets as they are set
	learned []sources.LearnedSecret // that the sender handed over

	receiver atomic.Pointer[provider.Receiver] // bound to all secrets that are known
	pairing  atomic.Pointer[pairing]           // nil: closed
}

// All prepares every source, with keys of its own, or reports as [config.Problems] everything wrong with all of
// them.
func All(configured []config.Source, keys func() provider.KeySource) (map[string]*Source, error) {
	all := make(map[string]*Source, len(configured))
	var problems config.Problems
	for _, c := range configured {
		src, found := New(c, keys())
		problems = append(problems, found...)
		all[c.Name] = src
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return all, nil
}

// Check returns everything that is wrong with the sources of a server that is to start: what [All] would, and secrets
// that others could guess. All takes those, since they verify.
func Check(sources []config.Source) config.Problems {
	var problems config.Problems
	for _, c := range sources {
		src, found := New(c, nil)
		problems = append(problems, found...)
		if src != nil {
			problems = append(problems, src.Weaknesses()...)
		}
	}
	return problems
}

// New returns a source that is bound to its secrets, or all that is wrong with it; it is nil if there is no such sender.
func New(c config.Source, keys provider.KeySource) (*Source, config.Problems) {
	src, faults := Prepare(c, keys)
	problems := OptionProblems(c.Name, faults)
	add := func(option, reason string) {
		problems = append(problems, config.Problem{Variable: Variable(c.Name, option), Reason: reason})
	}
	if src == nil { // there is no such sender
		return nil, problems
	}
	problems = append(problems, addressProblems(c, &src.Sender)...)
	unusable := src.unusable(len(faults) == 0)
	problems = append(problems, unusable...)
	switch err := src.Bind(); {
	case len(unusable) > 0:
	case errors.Is(err, provider.ErrNoSecret):
		add("SECRET", "is required: Jethook accepts only verified requests")
	case err != nil && len(faults) == 0:
		add("SECRET", err.Error())
	}
	return src, problems
}

// addressProblems tells what is wrong with what the sender's requests are made for.
func addressProblems(c config.Source, sender *provider.Sender) (problems config.Problems) {
	add := func(option, reason string) {
		problems = append(problems, config.Problem{Variable: Variable(c.Name, option), Reason: reason})
	}
	if !sender.TakesAudience() {
		const fixed = "only the google-pubsub sender supports it"
		if c.Audience != "" {
			add("AUDIENCE", fixed)
		}
		if c.Email != "" {
			add("EMAIL", fixed)
		}
	}
	if c.Tolerance != 0 && !sender.Timed() {
		add("TOLERANCE", sender.Name+" requests have no timestamp, so there is nothing to tolerate")
	}
	address := "such as https://hooks.example.com/webhooks/" + c.Name
	switch {
	case c.URL != "" || !sender.NeedsURL:
	case !sender.TakesAudience():
		add("URL", "is required: "+sender.Name+" signs the URL that it sends to, "+address)
	case c.Audience == "":
		add("URL", "or AUDIENCE is required: "+sender.Name+" signs for the audience of the push subscription, by default its URL, "+address)
	}
	return problems
}

// OptionProblems puts what is wrong with a sender's options under the names of a source's variables.
func OptionProblems(source string, faults []provider.OptionError) (problems config.Problems) {
	for _, f := range faults {
		problems = append(problems, config.Problem{Variable: Variable(source, f.Option), Reason: f.Problem})
	}
	return problems
}

// Prepare makes a source that is not bound to secrets yet. It is nil if there is no such sender.
func Prepare(c config.Source, keys provider.KeySource) (*Source, []provider.OptionError) {
	sender, faults := provider.Build(c.Provider, provider.Options{
		Header: c.Header, Prefix: c.Prefix, Algorithm: c.Algorithm, Encoding: c.Encoding, Type: c.Type, ID: c.ID,
	})
	if sender.Scheme == nil {
		return nil, faults
	}
	src := &Source{
		Name:      c.Name,
		URL:       c.URL,
		Sender:    sender,
		Headers:   header.NewRules(&sender),
		Dedup:     dedup.New(c.Dedup, &sender),
		MaxBody:   int64(c.MaxBody),
		whole:     !c.Split,
		binding:   provider.Binding{Keys: keys, Audience: c.Audience, Email: c.Email},
		gzip:      c.Gzip || sender.Compresses,
		tolerance: c.Tolerance,
	}
	src.readSecrets(&c)
	return src, faults
}

// Bind makes the source verify with its configured secrets and those that its sender handed over. Whoever calls it holds
// the lock, or has the source for itself.
func (src *Source) Bind() error {
	b := src.binding
	b.Secrets = slices.Clone(b.Secrets)
	for _, s := range src.learned {
		b.Secrets = append(b.Secrets, s.Value.Reveal())
	}
	receiver, err := src.bound(b)
	if err != nil {
		return err
	}
	src.receiver.Store(receiver)
	return nil
}

func (src *Source) bound(b provider.Binding) (*provider.Receiver, error) {
	receiver, err := src.Sender.Bind(b)
	if err == nil && src.whole {
		receiver = receiver.Whole()
	}
	return receiver, err
}

// Unproven makes the source take every request without a proof.
func (src *Source) Unproven() { src.receiver.Store(src.Sender.Unverified()) }

// Receiver is what the source verifies with now; nil if that is nothing.
func (src *Source) Receiver() *provider.Receiver { return src.receiver.Load() }

// Secretless reports whether the source has no secret and its sender will not hand one over: it can take no event yet.
func (src *Source) Secretless() bool {
	return len(src.binding.Secrets) == 0 && src.Sender.NeedsSecret() && !src.Sender.LearnsSecret()
}

// Variable is the name of a source's variable.
func Variable(source, option string) string {
	return "JETHOOK_SOURCE_" + strings.ToUpper(strings.ReplaceAll(source, "-", "_")) + "_" + option
}
