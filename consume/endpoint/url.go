package endpoint

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
)

const maxURLBytes = 2048

// hostName is what resolvers take, underscores included: container networks have such names.
var hostName = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252})$`)

// checkURL says what is wrong with an endpoint's URL. It never repeats it: a URL can hold a secret.
func checkURL(raw string, policy *AddressPolicy) error {
	if len(raw) > maxURLBytes {
		return fmt.Errorf("must be at most %d bytes long", maxURLBytes)
	}
	u, err := url.Parse(raw)
	if err != nil {
		return errors.New("is not a URL")
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return errors.New("must start with http:// or https://")
	case u.Hostname() == "":
		return errors.New("has no host")
	case u.User != nil:
		return errors.New("must not contain a user or password, which would end up in logs; use headers, such as Authorization")
	case u.Fragment != "" || strings.HasSuffix(raw, "#"):
		return errors.New("must not have a fragment (#...), which is never sent")
	}
	if port, err := strconv.ParseUint(u.Port(), 10, 16); u.Port() != "" && (err != nil || port == 0) {
		return errors.New("has a port outside 1 to 65535")
	}
	if err := checkHostName(u.Hostname()); err != nil {
		return err
	}
	return policy.checkHost(u.Hostname())
}

func checkHostName(host string) error {
	if _, err := netip.ParseAddr(host); err == nil {
		return nil
	}
	ascii, err := httpguts.PunycodeHostPort(host)
	if err != nil || !hostName.MatchString(ascii) || strings.Contains(ascii, "..") {
		return errors.New("has an invalid host")
	}
	return nil
}

// FormatOf picks the format that the service behind a URL takes, by that service's own form of URLs:
// https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks and
// https://docs.discord.com/developers/resources/webhook. Discord takes messages of others too, at "/slack"
// and "/github" below a webhook's URL. A Slack workflow gets the message as its variable "text".
func FormatOf(raw string) Format {
	u, err := url.Parse(raw)
	if err != nil {
		return FormatRaw
	}
	path := u.EscapedPath()
	switch strings.ToLower(u.Hostname()) {
	case "hooks.slack.com", "hooks.slack-gov.com":
		for _, prefix := range []string{"/services/", "/workflows/", "/triggers/"} {
			if strings.HasPrefix(path, prefix) {
				return FormatSlack
			}
		}
	case "discord.com", "discordapp.com", "ptb.discord.com", "canary.discord.com", "ptb.discordapp.com", "canary.discordapp.com":
		if m := discordPath.FindStringSubmatch(path); m != nil {
			return map[string]Format{"": FormatDiscord, "/slack": FormatSlack, "/github": FormatRaw}[m[1]]
		}
	}
	return FormatRaw
}

// discordPath is a webhook's path: its id, its token, and the foreign form it is to take, if any.
var discordPath = regexp.MustCompile(`^/api/(?:v\d+/)?webhooks/\d+/[^/]+(/slack|/github)?/?$`)
