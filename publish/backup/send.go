package backup

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"jethook/publish/connection"
	"jethook/publish/stores"
)

// restoreBytes is how much is sent at once, and restoreTime how long the server may take when it has all.
const (
	restoreBytes = 256 << 10
	restoreTime  = 10 * time.Minute
	// heardTime is how long the servers of a cluster may take to hear where one of them takes a snapshot.
	heardTime, heardPause = 5 * time.Second, 20 * time.Millisecond
	// lookTime is the pause before one looks whether the server is still there.
	lookTime = 2 * time.Second
)

// taker is a server that takes a snapshot.
type taker struct {
	nc      *nats.Conn
	subject string
	answers *nats.Subscription
}

// send sends a snapshot to where the server takes it.
func send(ctx context.Context, nc *nats.Conn, subject string, r io.Reader) error {
	answers, err := nc.SubscribeSync(nc.NewInbox())
	if err != nil {
		return err
	}
	defer answers.Unsubscribe() //nolint:errcheck // the connection is gone then, and with it the subscription
	t := &taker{nc, subject, answers}
	chunk := make([]byte, min(restoreBytes, nc.MaxPayload()/2))
	for ended := false; !ended; {
		n, err := io.ReadFull(r, chunk)
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		limit := chunkTime
		if ended = n == 0; ended {
			limit = restoreTime
		}
		if err := t.take(ctx, chunk[:n], limit); err != nil {
			return err
		}
	}
	return nil
}

// take sends one piece, the last of which is empty, and waits until the server has dealt with it. A server that is gone is an
// [stores.Interruption].
func (t *taker) take(ctx context.Context, data []byte, limit time.Duration) error {
	if err := t.publish(data); err != nil {
		return err
	}
	var unheard time.Time // since when nobody is there
	for until := time.Now().Add(limit); ; {
		m, err := t.answer(ctx, min(limit, lookTime))
		switch {
		case errors.Is(err, nats.ErrNoResponders):
			if unheard.IsZero() {
				unheard = time.Now()
			}
			if time.Since(unheard) > heardTime {
				return &stores.Interruption{Err: err}
			}
			time.Sleep(heardPause)
			err = t.publish(data)
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			return refusal(m)
		case !connection.Passes(err) || time.Now().After(until):
			return &stores.Interruption{Err: err}
		case len(data) == 0: // a second end is no more than a question whether anybody is there
			err = t.publish(nil)
		default:
			err = nil
		}
		if err != nil {
			return err
		}
	}
}

func (t *taker) publish(data []byte) error {
	if err := t.nc.PublishRequest(t.subject, t.answers.Subject, data); err != nil {
		return &stores.Interruption{Err: err}
	}
	return nil
}

func (t *taker) answer(ctx context.Context, limit time.Duration) (*nats.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	m, err := t.answers.NextMsgWithContext(ctx)
	if err == nil && len(m.Data) == 0 && m.Header.Get("Status") == "503" {
		err = nats.ErrNoResponders
	}
	return m, err
}

// refusal is the error in an answer; one without data is of a piece in the middle.
func refusal(m *nats.Msg) error {
	if len(m.Data) == 0 {
		return nil
	}
	var answer struct{ Error *jetstream.APIError }
	if err := json.Unmarshal(m.Data, &answer); err != nil || answer.Error == nil {
		return err
	}
	return answer.Error
}
