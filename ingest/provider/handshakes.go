package provider

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// Methods of handshakes.
var (
	get     = []string{http.MethodGet}
	options = []string{http.MethodOptions}
)

// headProbe is how Trello and Mandrill try an address, before there is a secret.
var headProbe = Handshake{
	Name: "HEAD probe", Methods: []string{http.MethodHead},
	ask: always(success200),
}

// setupProbe is how Intercom tries an address when a webhook is set up.
var setupProbe = Handshake{
	Name: "setup probe", Methods: []string{http.MethodGet, http.MethodHead},
	ask: always(success200),
}

// slackURL: https://docs.slack.dev/reference/events/url_verification
var slackURL = Handshake{
	Name: "url_verification", Signed: true,
	ask: when(JSON("type"), "url_verification", echo(JSON("challenge"))),
}

// slackCertificate is how Slack tries the certificate of a command's address now and then, whether or not it signs that:
// https://docs.slack.dev/interactivity/implementing-slash-commands
var slackCertificate = Handshake{
	Name: "ssl_check", Bound: true, Methods: []string{http.MethodPost, http.MethodGet},
	ask: when(Form("ssl_check"), "1", func(r *Request, _ []string) (*reply, error) {
		if form := r.formValues(); form.Has("command") || form.Has("payload") {
			return nil, nil
		}
		return &reply{answer: success200}, nil
	}),
}

// zoomURL: https://developers.zoom.us/docs/api/webhooks/#validate-your-webhook-endpoint
var zoomURL = Handshake{
	Name: "endpoint.url_validation", Signed: true,
	ask: when(JSON("event"), "endpoint.url_validation", func(r *Request, secrets []string) (*reply, error) {
		token, err := JSON("payload.plainToken").only(r)
		if err != nil {
			return nil, err
		}
		return &reply{answer: object("plainToken", token, "encryptedToken", hex.EncodeToString(mac256(secrets[0], token)))}, nil
	}),
}

// mac256 is HMAC-SHA256.
func mac256(key, text string) []byte {
	m := hmac.New(sha256.New, []byte(key))
	m.Write([]byte(text))
	return m.Sum(nil)
}

// twitchCallback: https://dev.twitch.tv/docs/eventsub/handling-webhook-events/#responding-to-a-challenge-request
var twitchCallback = Handshake{
	Name: "webhook_callback_verification", Signed: true,
	ask: when(Header("Twitch-Eventsub-Message-Type"), "webhook_callback_verification", echo(JSON("challenge"))),
}

// discordPing: https://docs.discord.com/developers/interactions/overview#setting-up-an-endpoint
var discordPing = Handshake{
	Name: "PING", Signed: true,
	ask: when(JSON("type"), "1", always(jsonAnswer(`{"type":1}`))),
}

// discordEventPing: https://docs.discord.com/developers/events/webhook-events#preparing-for-events
var discordEventPing = Handshake{
	Name: "PING", Signed: true,
	ask: when(JSON("type"), "0", always(success204)),
}

// metaSubscribe: https://developers.facebook.com/docs/graph-api/webhooks/getting-started#verification-requests
// The token is what stands after the colon of the secret, or the whole secret where there is no colon.
var metaSubscribe = Handshake{
	Name: "hub.challenge", Methods: get, Refusal: refusal403,
	ask: when(Query("hub.mode"), "subscribe", func(r *Request, secrets []string) (*reply, error) {
		token := Query("hub.verify_token").find(r)
		for _, secret := range secrets {
			_, want, found := strings.Cut(secret, ":")
			if !found {
				want = secret
			}
			if equalText(token, want) && token != "" {
				return echo(Query("hub.challenge"))(r, nil)
			}
		}
		return nil, ErrBadSignature
	}),
}

// xCRC: https://docs.x.com/x-api/webhooks/quickstart#challenge-response-checks
var xCRC = Handshake{
	Name: "challenge-response check", Methods: get,
	ask: func(r *Request, secrets []string) (*reply, error) {
		token := Query("crc_token").find(r)
		switch {
		case token == "":
			return nil, nil
		case !xToken.MatchString(token):
			return nil, Query("crc_token").malformed()
		case len(secrets) == 0:
			return nil, ErrNoSecret
		}
		return &reply{answer: object("response_token", "sha256="+base64.StdEncoding.EncodeToString(mac256(secrets[0], token)))}, nil
	},
}

// xToken is what a token may look like. It cannot be an event, which is a JSON object: the answer is the signature
// of the token, by the key that signs events.
var xToken = regexp.MustCompile(`^[A-Za-z0-9_.+/=-]{1,256}$`)

// dropboxChallenge: https://www.dropbox.com/developers/reference/webhooks#documentation
var dropboxChallenge = Handshake{Name: "challenge", Methods: get, ask: echo(Query("challenge"))}

// oktaChallenge: https://developer.okta.com/docs/concepts/event-hooks/#one-time-verification-request
var oktaChallenge = Handshake{
	Name: "verification challenge", Methods: get,
	ask: func(r *Request, _ []string) (*reply, error) {
		challenge := Header("X-Okta-Verification-Challenge").find(r)
		if challenge == "" {
			return nil, nil
		}
		return &reply{answer: object("verification", challenge)}, nil
	},
}

// braintreeVerify: https://developer.paypal.com/braintree/docs/guides/webhooks/parse
var braintreeVerify = Handshake{Name: "bt_challenge", Methods: get, ask: answerBraintree}

// cloudEventsOptions: https://github.com/cloudevents/spec/blob/main/cloudevents/http-webhook.md#4-abuse-protection
var cloudEventsOptions = Handshake{
	Name: "abuse protection", Methods: options,
	ask: func(r *Request, _ []string) (*reply, error) {
		origin := Header("WebHook-Request-Origin").find(r)
		if origin == "" {
			return nil, nil
		}
		a := Answer{Status: http.StatusOK, Header: map[string]string{"WebHook-Allowed-Origin": origin, "Allow": "POST"}}
		rate := Header("WebHook-Request-Rate")
		if rate.present(r) {
			n, err := strconv.ParseUint(rate.find(r), 10, 31)
			if err != nil {
				return nil, rate.malformed()
			}
			a.Header["WebHook-Allowed-Rate"] = strconv.FormatUint(n, 10)
		}
		return &reply{answer: a}, nil
	},
}

// graphValidation: https://learn.microsoft.com/en-us/graph/change-notifications-delivery-webhooks#notificationurl-validation
var graphValidation = Handshake{Name: "validationToken", ask: echo(Query("validationToken"))}

// eventGridValidation: https://learn.microsoft.com/en-us/azure/event-grid/end-point-validation-event-grid-events-schema
// It has the token in its address as every request has.
var eventGridValidation = Handshake{
	Name: "SubscriptionValidation", Signed: true,
	ask: when(Header("Aeg-Event-Type"), "SubscriptionValidation", func(r *Request, _ []string) (*reply, error) {
		code, err := JSON("0.data.validationCode").only(r)
		if err != nil {
			return nil, err
		}
		return &reply{answer: object("validationResponse", code)}, nil
	}),
}

// snsConfirm: https://docs.aws.amazon.com/sns/latest/dg/SendMessageToHttp.confirm.html
var snsConfirm = Handshake{Name: snsSubscription, Signed: true, ask: confirmSNS}

// asanaSecret: https://developers.asana.com/docs/webhooks-guide#the-webhook-handshake
var asanaSecret = Handshake{
	Name: "X-Hook-Secret", Learns: true,
	ask: func(r *Request, known []string) (*reply, error) {
		from := Header("X-Hook-Secret")
		secret := from.find(r)
		if secret == "" {
			return nil, nil
		}
		return learn(from, secret, known, Answer{Status: http.StatusOK, Header: map[string]string{"X-Hook-Secret": secret}})
	},
}

// notionToken: https://developers.notion.com/reference/webhooks#step-2-verifying-the-subscription
var notionToken = Handshake{
	Name: "verification_token", Learns: true,
	ask: func(r *Request, known []string) (*reply, error) {
		from := JSON("verification_token")
		token := from.find(r)
		if token == "" || JSON("type").find(r) != "" {
			return nil, nil
		}
		return learn(from, token, known, success200)
	},
}

// wooPing is what WooCommerce sends, unsigned, when a webhook is saved: WC_Webhook::deliver_ping.
var wooPing = Handshake{
	Name: "ping",
	ask: func(r *Request, _ []string) (*reply, error) {
		if len(r.Body) > maxPing || Header("X-WC-Webhook-Signature").present(r) {
			return nil, nil
		}
		if form := r.formValues(); len(form) != 1 || !isNumber(form) {
			return nil, nil
		}
		return &reply{answer: success200}, nil
	},
}

// frontChallenge: https://dev.frontapp.com/docs/application-webhooks
var frontChallenge = Handshake{Name: "x-front-challenge", Signed: true, ask: echo(Header("X-Front-Challenge"))}

// nylasChallenge: https://developer.nylas.com/docs/v3/notifications/webhooks/
var nylasChallenge = Handshake{Name: "challenge", Methods: get, ask: echo(Query("challenge"))}

// mondayChallenge: https://developer.monday.com/apps/docs/advanced-concepts
// It comes before the address is set up, and wants what it says back.
var mondayChallenge = Handshake{
	Name: "challenge",
	ask: func(r *Request, _ []string) (*reply, error) {
		challenge := JSON("challenge").find(r)
		if challenge == "" || JSON("event.type").present(r) || len(challenge) > maxChallenge {
			return nil, nil
		}
		return &reply{answer: object("challenge", challenge)}, nil
	},
}

// maxChallenge bounds what a stranger has us say.
const maxChallenge = 512

// maxPing bounds a ping: webhook_id= and a number.
const maxPing = 64

// isNumber reports whether the form has the number of a webhook.
func isNumber(form url.Values) bool {
	_, err := strconv.ParseUint(onlyValue(form, "webhook_id"), 10, 64)
	return err == nil
}
