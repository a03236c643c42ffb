// Package sources is the admin API's operations on sources: what came of them, the secrets that senders hand over, samples, and
// the requests that did not verify. Type names are those of the OpenAPI document.
package sources

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"jethook/config"
	"jethook/consume/admin/operation"
	"jethook/consume/rejected"
	"jethook/consume/status"
	"jethook/publish"
	"jethook/publish/query"
)

// Options are what the operations work with.
type Options struct {
	Config *config.Config
	// Senders says by source how its requests are verified; a source of an unknown sender has no entry.
	Senders map[string]Verification
	// Reverify verifies a rejected request again and stores its events; nil in a process that receives none.
	Reverify rejected.Reverifier
	// Sample makes a signed request that a source takes; false: its sender's can't be signed. It is nil in a process that receives none.
	Sample func(source string) (header http.Header, body []byte, ok bool)
}

// Operations are those on sources.
type Operations struct {
	api      *operation.API
	cfg      *config.Config
	bus      *publish.Bus
	rejected *rejected.Store
	senders  map[string]Verification
	reverify rejected.Reverifier
	sample   func(string) (http.Header, []byte, bool)
	log      *slog.Logger
}

// New returns the operations, without routes.
func New(api *operation.API, o Options) *Operations {
	return &Operations{
		api: api, cfg: o.Config, bus: api.Bus, rejected: rejected.New(api.Bus), senders: o.Senders, reverify: o.Reverify, sample: o.Sample, log: api.Log,
	}
}

// Routes registers the operations.
func (o *Operations) Routes() {
	operation.Register(o.api, huma.Operation{
		OperationID: "list-sources", Method: http.MethodGet, Path: "/api/v1/sources", Tags: []string{"sources"},
		Summary:     "List sources",
		Description: "Returns the senders configured for this process.",
	}, operation.Timeout, o.listSources)
	o.rejectedRoutes()
	o.pairingRoutes()
	o.sourceSampleRoutes()
}

// Faults of a request for a source.
var (
	errNoSource     = operation.NewFailure(http.StatusNotFound, "not_found", "no such source; to add it, set JETHOOK_SOURCES of this process")
	errNotReceiving = operation.NewFailure(http.StatusConflict, "not_receiving", "this process receives no webhooks; call one that runs jethook serve or jethook ingest")
	errNoHandshake  = operation.NewFailure(http.StatusConflict, "no_handshake", "the sender does not hand over a secret; set JETHOOK_SOURCE_<NAME>_SECRET")
	errNoSample     = operation.NewFailure(http.StatusConflict, "no_sample", "requests of this sender can't be made here: it signs with a key of its own")
)

// SourceParam names a source. It is exported because huma passes over embedded types that are not.
type SourceParam struct {
	Name string `path:"name" doc:"a source's name, as in JETHOOK_SOURCES" example:"shop"`
}

// source returns the source's settings, or errNoSource.
func (o *Operations) source(name string) (*config.Source, error) {
	i := slices.IndexFunc(o.cfg.Sources, func(c config.Source) bool { return c.Name == name })
	if i < 0 {
		return nil, errNoSource
	}
	return &o.cfg.Sources[i], nil
}

// Verification is how a source's requests are verified.
type Verification struct {
	VerifiedBy string `json:"verified_by,omitempty" doc:"how its requests are verified, in words"`
	CoversBody bool   `json:"covers_body" doc:"whether verification covers the whole body; if not, anyone who has seen one request can forge others"`
	// NotCovered, Caveat and BodySecrets are empty where there is nothing to say.
	NotCovered  []string `json:"not_covered,omitempty" doc:"which of body, type, and id verification does not cover; anyone who has seen one request can change them" example:"type"`
	Caveat      string   `json:"caveat,omitempty" doc:"what else the verification leaves open" example:"not the message attributes"`
	BodySecrets []string `json:"body_secrets,omitempty" doc:"fields of the body that hold a secret, which is stored and delivered with it" example:"passcode"`

	Learns bool `json:"learns_secret" doc:"whether the sender hands over its secret in a handshake" example:"false"`
}

// Source is one sender to receive webhooks from.
type Source struct {
	Name     string `json:"name"`
	Provider string `json:"provider" doc:"the preset that verifies it"`
	Verification
	Handshake string `json:"handshake,omitempty" enum:"waiting,open,done,unreadable" doc:"only if the sender hands over its secret: waiting: no secret is known, pair the source to accept one; open: the pairing URL accepts one; done: a secret is stored" example:"done"`

	Received uint64     `json:"received" doc:"number of stored webhooks; retention removes old ones"`
	LastSeen *time.Time `json:"last_seen,omitempty" doc:"when the newest of them arrived"`

	Duplicates uint64 `json:"duplicates" doc:"requests with the id of an event that was already stored, such as a manual redelivery at the sender, since the processes started; they are answered with success and ignored"`

	Refused map[string]uint64 `json:"refused,omitempty" doc:"requests that were not stored, by reason, since the processes started"`
}

// SourcePage lists all sources.
type SourcePage struct {
	Items      []Source `json:"items"`
	NextCursor string   `json:"next_cursor" doc:"always empty: there is one page"`
}

func (o *Operations) listSources(ctx context.Context, _ *struct{}) (*operation.Answer[SourcePage], error) {
	items, err := o.List(ctx)
	if err != nil {
		return nil, err
	}
	return &operation.Answer[SourcePage]{Body: SourcePage{Items: items}}, nil
}

// List returns the configured sources, with what came of them.
func (o *Operations) List(ctx context.Context) ([]Source, error) {
	reports, _, err := o.bus.Processes().Ask(ctx)
	if err != nil {
		return nil, err
	}
	live := status.Sources(reports)
	items := make([]Source, 0, len(o.cfg.Sources))
	for _, c := range o.cfg.Sources {
		n, newest, err := o.bus.Query().Count(ctx, query.Webhooks(c.Name))
		if err != nil {
			return nil, err
		}
		src := Source{Name: c.Name, Provider: c.Provider, Verification: o.senders[c.Name], Received: n, Duplicates: live[c.Name].Duplicates, Refused: live[c.Name].Refused}
		if src.Handshake, err = o.handshake(ctx, &c); err != nil {
			return nil, err
		}
		if !newest.IsZero() {
			newest = newest.UTC()
			src.LastSeen = &newest
		}
		items = append(items, src)
	}
	return items, nil
}
