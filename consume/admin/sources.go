package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"jethook/consume/status"
	"jethook/publish/query"
)

func (s *Server) sourceRoutes() {
	register(s, huma.Operation{
		OperationID: "list-sources", Method: http.MethodGet, Path: "/api/v1/sources", Tags: []string{"sources"},
		Summary:     "List sources",
		Description: "Returns the senders configured for this process.",
	}, requestTimeout, s.listSources)
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

type sourcesOutput struct{ Body SourcePage }

func (s *Server) listSources(ctx context.Context, _ *struct{}) (*sourcesOutput, error) {
	items, err := s.Sources(ctx)
	if err != nil {
		return nil, err
	}
	return &sourcesOutput{SourcePage{Items: items}}, nil
}

// Sources are the configured sources, with what came of them.
func (s *Server) Sources(ctx context.Context) ([]Source, error) {
	reports, _, err := s.bus.Processes().Ask(ctx)
	if err != nil {
		return nil, err
	}
	live := status.Sources(reports)
	items := make([]Source, 0, len(s.cfg.Sources))
	for _, c := range s.cfg.Sources {
		n, newest, err := s.bus.Query().Count(ctx, query.Webhooks(c.Name))
		if err != nil {
			return nil, err
		}
		src := Source{Name: c.Name, Provider: c.Provider, Verification: s.senders[c.Name], Received: n, Duplicates: live[c.Name].Duplicates, Refused: live[c.Name].Refused}
		if src.Handshake, err = s.handshake(ctx, &c); err != nil {
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
