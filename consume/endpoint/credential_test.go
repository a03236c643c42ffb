package endpoint

import "testing"

func TestIsCredential(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"Authorization": true, "cookie": true, "X-Api-Key": true, "X_AUTH_TOKEN": true, "Cf-Access-Client-Secret": true, "Apikey": true,
		"Webhook-Signature": false, "Webhook-Id": false, "X-Author": false, "X-Keyboard": false, "Content-Type": false, "": false,
	} {
		if got := IsCredential(name); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}
