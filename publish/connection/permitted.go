package connection

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/nats-io/nats-server/v2/server"
)

// userInfo is where a client asks what its login may do.
const userInfo = "$SYS.REQ.USER.INFO"

// Permitted returns a [PermissionError] of all patterns below which the login may publish nothing, or subscribe to nothing.
// What it may do in part is let pass: the server says of each message whether it may be sent. It is told nothing, and lets
// all pass, by a login that may not ask, which it logs, and by a server that does not answer.
func (c *Conn) Permitted(ctx context.Context, publish, subscribe []string) error {
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	may, err := c.askPermissions(ctx)
	if err != nil || may == nil {
		return err
	}
	lacks := PermissionError{Publish: refused(may.Publish, publish), Subscribe: refused(may.Subscribe, subscribe)}
	if len(lacks.Publish)+len(lacks.Subscribe) == 0 {
		return nil
	}
	return &lacks
}

// askPermissions returns what the connection's server answers; nil: it tells of no limits, or nothing. Behind a leaf node the hub
// answers too, and means the link between them.
func (c *Conn) askPermissions(ctx context.Context) (*server.Permissions, error) {
	sub, err := c.SubscribeSync(c.NewInbox())
	if err != nil {
		return nil, fmt.Errorf("asking what the NATS login may do: %w", err)
	}
	defer sub.Unsubscribe() //nolint:errcheck // nothing else comes there
	if err = c.PublishRequest(userInfo, sub.Subject, nil); err == nil {
		err = c.FlushWithContext(ctx) // a refusal comes before its answer
	}
	if err != nil {
		return nil, fmt.Errorf("asking what the NATS login may do: %w", err)
	}
	if lacks, ok := denied(c.LastError()); ok && slices.Contains(lacks.Publish, userInfo) {
		c.log.Warn("the NATS login may not ask what it may do, so that a missing permission shows only when it is needed", "publish", userInfo)
		return nil, nil //nolint:nilnil // as it says
	}
	for {
		m, err := sub.NextMsgWithContext(ctx)
		switch {
		case errors.Is(err, context.Canceled):
			return nil, fmt.Errorf("asking what the NATS login may do: %w", err)
		case err != nil: // it has no system account
			c.log.Debug("the NATS server does not tell what the login may do", "error", err)
			return nil, nil //nolint:nilnil // as above
		}
		var told struct {
			Server struct{ ID string }
			Data   server.UserInfo
		}
		if err := json.Unmarshal(m.Data, &told); err != nil {
			return nil, fmt.Errorf("reading what the NATS login may do: %w", err)
		}
		if told.Server.ID == c.ConnectedServerId() {
			return told.Data.Permissions, nil
		}
	}
}

// refused are those patterns of which nothing is allowed.
func refused(may *server.SubjectPermission, patterns []string) (out []string) {
	if may == nil {
		return nil
	}
	for _, p := range patterns {
		collides := func(allowed string) bool { return server.SubjectsCollide(p, allowed) }
		includes := func(denied string) bool { return server.SubjectMatchesFilter(p, denied) }
		if len(may.Allow) > 0 && !slices.ContainsFunc(may.Allow, collides) || slices.ContainsFunc(may.Deny, includes) {
			out = append(out, p)
		}
	}
	return out
}
