package verify

import (
	"context"
	"slices"

	"jethook/config"
	"jethook/consume/dashboard/sources"
	"jethook/ingest"
	"jethook/ingest/provider"
	"jethook/publish"
	"jethook/publish/quarantine"
)

// Explainer explains the requests that the sources rejected.
type Explainer struct {
	config  func() *config.Config // the current one
	bus     *publish.Bus
	fetched provider.KeySource // one for all, which remembers what it fetched
}

// NewExplainer returns an explainer for the sources of the current configuration, whose learned secrets are on the bus.
func NewExplainer(current func() *config.Config, bus *publish.Bus) *Explainer {
	return &Explainer{config: current, bus: bus, fetched: ingest.NewKeySource()}
}

// Explain says why a rejected request does not verify with the current secrets, as of the time when it arrived.
func (e *Explainer) Explain(ctx context.Context, r *quarantine.Request) (*sources.Explanation, error) {
	cfg := e.config()
	i := slices.IndexFunc(cfg.Sources, func(s config.Source) bool { return s.Name == r.Source })
	if i < 0 || r.NoBody {
		return nil, nil
	}
	a := &sample{
		source: cfg.Sources[i], others: slices.Delete(slices.Clone(cfg.Sources), i, i+1), maxBody: int64(cfg.MaxBody),
		method: r.Method, query: r.Query, header: r.Header.Clone(), body: r.Body, now: r.Received,
	}
	if !r.AsSent {
		delete(a.header, "Content-Encoding")
	}
	state, err := e.bus.Sources().Get(ctx, r.Source)
	if err != nil {
		return nil, err
	}
	a.source.Secrets = slices.Clone(a.source.Secrets)
	for _, learned := range state.Secrets {
		a.source.Secrets = append(a.source.Secrets, learned.Value)
	}
	trial, err := ingest.NewTrial(a.source, e.fetched, a.maxBody)
	if err != nil {
		return nil, nil // the server would not have started with it
	}
	v := trial.Receive(a.request(), a.now)
	told := explain(a, trial.Sender(), &v)
	shown := &sources.Explanation{
		Verified: told.Verified, Reason: told.Reason, Hints: told.Hints, VerifiedBy: told.VerifiedBy, SignedWith: told.SignedWith,
		Signed: told.Signed, SignedSize: told.signedSize, Docs: told.Docs,
	}
	switch {
	case v.Err == nil:
	case told.Reason == "bad_signature": // the others say how to ask again on a command line
		shown.Text = told.Explanation
	default:
		shown.Text = concealer(a.source.Secrets, "")(v.Err.Error()) + "."
	}
	return shown, nil
}
