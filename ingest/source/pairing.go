package source

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"jethook/ingest/provider"
	"jethook/publish/sources"
)

// Some senders choose the secret and hand it over in their first request, which nothing verifies. So none is taken, not
// even the first, but at the address that an operator was given for it: a nonce in its query tells the sender from anyone
// else who knows where the source is, and may be faster.

// nonceParameter is the parameter of that address.
const nonceParameter = "pair"

// pairing is a source that takes another secret for a while.
type pairing struct {
	sources.Pairing
	receiver *provider.Receiver // bound to no secret
}

// opens reports whether a request with that query may hand a secret over.
func (p *pairing) opens(query string, now time.Time) bool {
	return p != nil && p.Opens(NonceOf(query), now)
}

// NonceOf is the nonce in a query: empty, which opens nothing, unless there is one.
func NonceOf(query string) string {
	values, err := url.ParseQuery(query)
	if err != nil || len(values[nonceParameter]) != 1 {
		return ""
	}
	return values.Get(nonceParameter)
}

// receiveFrom verifies r with what the source knows at this moment.
func (src *Source) receiveFrom(r *provider.Request, now time.Time) (provider.Outcome, error) {
	outcome, err := src.receiver.Load().Receive(r, now)
	switch first := err == nil && outcome.Learned != ""; {
	case !first && !errors.Is(err, provider.ErrUnexpected): // nothing is handed over that is not known
		return outcome, err
	default:
		p := src.pairing.Load()
		if !p.opens(r.Query, now) {
			return provider.Outcome{}, fmt.Errorf("secret without the nonce of a pairing: %w", provider.ErrUnexpected)
		}
		if first {
			return outcome, nil
		}
		return p.receiver.Receive(r, now)
	}
}

// Know takes over what is known of the source.
func (src *Source) Know(state sources.State) error {
	src.mu.Lock()
	defer src.mu.Unlock()
	if state.Pairing.Until.IsZero() {
		src.pairing.Store(nil)
	} else {
		b := src.binding
		b.Secrets = nil
		receiver, err := src.bound(b)
		if err != nil {
			return fmt.Errorf("%s does not hand over a secret: %w", src.Sender.Name, err)
		}
		src.pairing.Store(&pairing{state.Pairing, receiver})
	}
	src.learned = state.Secrets
	return src.Bind()
}
