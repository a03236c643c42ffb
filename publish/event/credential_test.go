package event_test

import (
	"testing"

	"jethook/publish/event"
)

func TestIsCredential(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"Authorization": true, "cookie": true, "X-Api-Key": true, "X_AUTH_TOKEN": true, "Cf-Access-Client-Secret": true, "Apikey": true,
		"X-Gitlab-Token": true, "Private-Token": true, "X-Vault-Token": true, "X-Shopify-Access-Token": true, "X-Authorization": true,
		"X-Csrf-Token": true, "X-Xsrf-Token": true, "Set-Cookie": true, "Proxy-Authenticate": true, "X-AccessToken": true, "X-Session-Id": true,
		"Idempotency-Key": false, "I-Twilio-Idempotency-Token": false, "X-Authentications": false, "X-Keystone": false, "-_-": false,
		"Webhook-Signature": false, "Webhook-Id": false, "X-Author": false, "X-Keyboard": false, "Content-Type": false, "": false,
	} {
		if got := event.IsCredential(name); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}
