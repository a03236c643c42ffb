package session

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"jethook/config"
	"jethook/publish/failure"
)

// A login link is a nonce, when it ends, and a signature that who has the admin token can make. It opens the door once.

// linkTime is how long a login link is good for.
const linkTime = 10 * time.Minute

const linkUse = "jethook dashboard v1 link"

// LoginPath returns the path, below the base path, of a login link: whoever opens it within ten minutes is logged in with the
// admin token's rights, once. It is as secret as the token for that time.
func LoginPath(token config.Secret, now time.Time) string {
	content := rand.Text() + "." + strconv.FormatInt(now.Add(linkTime).Unix(), 36)
	return "/login?link=" + content + "." + sign(keyOf(token, linkUse), "link", content)
}

// Spend reports whether a link is good, and makes it good for nothing more, in all processes: bucket is where they note that.
func (s *Keeper) Spend(ctx context.Context, bucket func(context.Context) (jetstream.KeyValue, error), link string) (bool, error) {
	now := s.now()
	nonce, rest, _ := strings.Cut(link, ".")
	end, mac, _ := strings.Cut(rest, ".")
	until, err := strconv.ParseInt(end, 36, 64)
	right := hmac.Equal([]byte(sign(s.keys.Load().link, "link", nonce+"."+end)), []byte(mac))
	if !right || err != nil || now.Unix() > until {
		return false, nil
	}
	kv, err := bucket(ctx)
	if err != nil {
		return false, err
	}
	_, err = kv.Create(ctx, "login-"+nonce, []byte(now.UTC().Format(time.RFC3339)))
	if errors.Is(err, jetstream.ErrKeyExists) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("%w: noting a login link: %w", failure.ErrUnavailable, err)
	}
	return true, nil
}
