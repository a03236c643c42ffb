package ingest

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"jethook/config"
	"jethook/ingest/provider"
	"jethook/publish/sources"
)

// source is one sender as configured, ready to verify.
type source struct {
	name     string
	url      string // the public address that the sender was given, empty if unknown
	sender   provider.Sender
	whole    bool // a request with several events stays one
	headers  headerRules
	networks []netip.Prefix // that may send; none: all
	limiter  *rate.Limiter  // of verified requests; nil: none
	rejected *rate.Limiter  // of rejected requests that are kept
	gzip     bool           // compressed bodies are taken
	maxBody  int64          // bytes, as sent and inflated
	// tolerance is how far the time of a request may be off; 0: as the sender's row says
	tolerance time.Duration
	dedup     *dedup

	rejectedBytes *rate.Limiter // of their bodies
	repeats       *rate.Limiter // of duplicates that are logged

	refusals streak
	hindered streak // by what strangers can bring about
	astray   streak // requests for an address that is misspelled
	barred   strays // from addresses that may not send
	// handshakes are no failures, but as many as whoever sends them likes.
	handshakes streak
	figures    figures
	clock      clockWatch

	mu      sync.Mutex              // guards what follows, and that receiver is bound to it
	binding provider.Binding        // with the configured secrets alone
	set     []setSecret             // the secrets as they are set
	learned []sources.LearnedSecret // that the sender handed over

	receiver atomic.Pointer[provider.Receiver] // bound to all secrets that are known
	pairing  atomic.Pointer[pairing]           // nil: closed
}

// newSources prepares every source, with keys of its own, or reports as [config.Problems] everything wrong with all of
// them.
func newSources(configured []config.Source, keys func() provider.KeySource) (map[string]*source, error) {
	sources := make(map[string]*source, len(configured))
	var problems config.Problems
	for _, c := range configured {
		src, found := newSource(c, keys())
		problems = append(problems, found...)
		sources[c.Name] = src
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return sources, nil
}

// Check returns everything that is wrong with the sources of a server that is to start: what New would, and secrets
// that others could guess. New takes those, as a Trial does, since they verify.
func Check(sources []config.Source) config.Problems {
	var problems config.Problems
	for _, c := range sources {
		src, found := newSource(c, nil)
		problems = append(problems, found...)
		if src != nil {
			problems = append(problems, src.weaknesses()...)
		}
	}
	return problems
}

func newSource(c config.Source, keys provider.KeySource) (*source, config.Problems) {
	src, faults := prepare(c, keys)
	problems := optionProblems(c.Name, faults)
	add := func(option, reason string) {
		problems = append(problems, config.Problem{Variable: variable(c.Name, option), Reason: reason})
	}
	if src == nil { // there is no such sender
		return nil, problems
	}
	problems = append(problems, addressProblems(c, &src.sender)...)
	unusable := src.unusable(len(faults) == 0)
	problems = append(problems, unusable...)
	switch err := src.bind(); {
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
		problems = append(problems, config.Problem{Variable: variable(c.Name, option), Reason: reason})
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

func optionProblems(source string, faults []provider.OptionError) (problems config.Problems) {
	for _, f := range faults {
		problems = append(problems, config.Problem{Variable: variable(source, f.Option), Reason: f.Problem})
	}
	return problems
}

// prepare makes a source that is not bound to secrets yet. It is nil if there is no such sender.
func prepare(c config.Source, keys provider.KeySource) (*source, []provider.OptionError) {
	sender, faults := provider.Build(c.Provider, provider.Options{
		Header: c.Header, Prefix: c.Prefix, Algorithm: c.Algorithm, Encoding: c.Encoding, Type: c.Type, ID: c.ID,
	})
	if sender.Scheme == nil {
		return nil, faults
	}
	src := &source{
		name:      c.Name,
		url:       c.URL,
		sender:    sender,
		whole:     !c.Split,
		binding:   provider.Binding{Keys: keys, Audience: c.Audience, Email: c.Email},
		headers:   newHeaderRules(&sender),
		networks:  c.AllowedIPs,
		limiter:   newLimiter(c.RateLimit),
		gzip:      c.Gzip || sender.Compresses,
		maxBody:   int64(c.MaxBody),
		tolerance: c.Tolerance,
		rejected:  rate.NewLimiter(rejectedPerSecond, rejectedBurst),
		repeats:   rate.NewLimiter(1, repeatsBurst),
		dedup:     newDedup(c.Dedup, &sender),
	}
	src.readSecrets(&c)
	return src, faults
}

// bind makes the source verify with its configured secrets and those that its sender handed over. Whoever calls it holds
// the lock, or has the source for itself.
func (src *source) bind() error {
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

func (src *source) bound(b provider.Binding) (*provider.Receiver, error) {
	receiver, err := src.sender.Bind(b)
	if err == nil && src.whole {
		receiver = receiver.Whole()
	}
	return receiver, err
}

// variable is the name of a source's variable.
func variable(source, option string) string {
	return "JETHOOK_SOURCE_" + strings.ToUpper(strings.ReplaceAll(source, "-", "_")) + "_" + option
}
