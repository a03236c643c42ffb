package signing_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"jethook/consume/endpoint/signing"
)

// A secret means what it means to the receiver that has it: the reference libraries decode base64 with and without
// whsec_, and a text that is no such key is one as it is.
func TestSecretNotations(t *testing.T) {
	t.Parallel()
	const key = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	decoded, _ := base64.StdEncoding.DecodeString(key)
	for _, row := range []struct {
		text   string
		as     signing.SecretType
		key    string
		doubt  bool
		scheme signing.Scheme
	}{
		{"whsec_" + key, "", string(decoded), false, "standard"},
		{"v1,whsec_" + key, "", string(decoded), false, "standard"},
		{key, "", string(decoded), true, "standard"},
		{key, signing.SecretText, key, true, "standard"},
		{"C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "", "", false, "standard"}, // "+" stands in no text that anybody chose
		{"a plain secret", "", "a plain secret", false, "standard"},
		{"0123456789abcdef0123456789abcdef", "", "0123456789abcdef0123456789abcdef", true, "standard"}, // hex
		{"polar_whs_ovyN6cPrTv56AApvzCaJno08SSmGJmgbWilb33N2JuK", "", "polar_whs_ovyN6cPrTv56AApvzCaJno08SSmGJmgbWilb33N2JuK", false, "standard"},
		{"whsec_" + key, signing.SecretText, "whsec_" + key, false, "standard"},
		{"whsec_" + key, "", "whsec_" + key, false, "hmac"},
		{key, "", key, false, "hmac"},
		{"whsec_" + key, signing.SecretBase64, string(decoded), false, "hmac"},
	} {
		s, err := signing.ReadSecret(row.text, row.as, row.scheme, nil)
		if err != nil {
			t.Errorf("%s: %v", row.text, err)
			continue
		}
		if got := string(s.Key(row.scheme)); row.key != "" && got != row.key {
			t.Errorf("%s as %q: key %q", row.text, row.as, got)
		}
		if (s.Doubt(row.scheme) != "") != row.doubt {
			t.Errorf("%s as %q: doubt %q", row.text, row.as, s.Doubt(row.scheme))
		}
		if strings.Contains(s.SignsWith(row.scheme)+s.Doubt(row.scheme), row.text) {
			t.Errorf("%s is repeated", row.text)
		}
		if row.scheme != "standard" || row.as != "" || strings.HasPrefix(row.text, "v1,") || s.Kind(row.scheme) != signing.SecretBase64 {
			continue
		}
		library, err := standardwebhooks.NewWebhook(row.text) // reads the same
		if err != nil {
			t.Fatal(err)
		}
		raw, _ := standardwebhooks.NewWebhookRaw(s.Key(row.scheme))
		one, _ := library.Sign("id", time.Unix(1, 0), nil)
		if other, _ := raw.Sign("id", time.Unix(1, 0), nil); one != other {
			t.Errorf("%s: the library reads another key", row.text)
		}
	}
	for text, scheme := range map[string]signing.Scheme{"whsk_" + key: "standard", "whsk_x": "hmac", "whsec_x": "standard", "v1,whsec_": "standard"} {
		if _, err := signing.ReadSecret(text, "", scheme, nil); err == nil || strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
