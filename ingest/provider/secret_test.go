package provider

import (
	"errors"
	"strings"
	"testing"
)

const (
	whsecOne, whsecTwo = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
	hexOne, hexTwo     = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"
)

// TestReadSecret: a value is one secret, unless each of its parts is, without a doubt, one of the sender's.
func TestReadSecret(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		sender, value string
		want          string // joined by a line end; empty: refused
	}{
		{"standard-webhooks", whsecOne + "," + whsecTwo, whsecOne + "\n" + whsecTwo},
		{"clerk", whsecOne + " , " + whsecTwo + ",", whsecOne + "\n" + whsecTwo},
		{"standard-webhooks", "v1," + whsecOne, "v1," + whsecOne},
		{"supabase-auth-hook", "v1," + whsecOne, "v1," + whsecOne},
		{"supabase-auth-hook", "v1," + whsecOne + ",v1," + whsecTwo, "v1," + whsecOne + ",v1," + whsecTwo},
		{"standard-webhooks", whsecOne + ",whsec_AA==", whsecOne + ",whsec_AA=="},
		{"standard-webhooks", whsecOne + ",v1", whsecOne + ",v1"},
		{"openai", whsecOne + "," + whsecTwo, whsecOne + "\n" + whsecTwo},
		{"openai", whsecOne + ",sk-text-as-it-is-of-some-length", whsecOne + ",sk-text-as-it-is-of-some-length"},
		{"polar", "polar_whs_ovyN6cPrTv56AApvzCaJno08SSmGJmgb,polar_whs_bmGJmgSS80onJaCzvpAA65vTrPc6Nyvo", "polar_whs_ovyN6cPrTv56AApvzCaJno08SSmGJmgb\npolar_whs_bmGJmgSS80onJaCzvpAA65vTrPc6Nyvo"},
		{"polar", "polar_whs_ovyN6cPrTv56AApvzCaJno08SSmGJmgb,mine", "polar_whs_ovyN6cPrTv56AApvzCaJno08SSmGJmgb,mine"},
		{"stripe", "whsec_5WbX5kEWLlfzsGNjH64I8lOOqUB6e8FH,whsec_HF8e6BUqOOl8I46HjNGszflLWEk5XbW5", "whsec_5WbX5kEWLlfzsGNjH64I8lOOqUB6e8FH\nwhsec_HF8e6BUqOOl8I46HjNGszflLWEk5XbW5"},
		{"slack", hexOne + "," + hexTwo, hexOne + "\n" + hexTwo},
		{"twilio", hexOne + "," + hexTwo, hexOne + "\n" + hexTwo},
		{"adyen", hexOne + "," + hexTwo, hexOne + "\n" + hexTwo},
		{"adyen-platform", hexOne + ",00ff", hexOne + ",00ff"},
		{"aws-sns", "arn:aws:sns:eu-west-1:1:one,arn:aws-cn:sns:cn-north-1:1:two", "arn:aws:sns:eu-west-1:1:one\narn:aws-cn:sns:cn-north-1:1:two"},
		{"google-pubsub", "a@x.iam.gserviceaccount.com,b@x.iam.gserviceaccount.com", "a@x.iam.gserviceaccount.com\nb@x.iam.gserviceaccount.com"},
		{"paypal", "1JE4291016473214C,0EH40505U7160970P", "1JE4291016473214C\n0EH40505U7160970P"},
		{"discord-events", hexOne + hexTwo + "," + hexTwo + hexOne, hexOne + hexTwo + "\n" + hexTwo + hexOne},
		{"github", hexOne + "," + hexTwo, hexOne + "," + hexTwo},
		{"gitlab", "abc,defghijk", "abc,defghijk"},
		{"postmark", "user:long,er:secret", "user:long,er:secret"},
		{"github", "", ""},
		{"github", " \n", ""},
		{"github", "secret of mine\n", ""},
		{"github", " secret of mine", ""},
		{"github", "\u00a0secret of mine", ""},
		{"github", `"secret of mine"`, ""},
		{"github", `'secret of mine'`, ""},
		{"github", `"secret of mine" `, ""},
		{"github", `"secret" of 'mine'`, `"secret" of 'mine'`},
		{"standard-webhooks", `"` + whsecOne + "," + whsecTwo + `"`, ""},
	} {
		row, _ := Lookup(test.sender)
		got, err := row.ReadSecret(test.value)
		if strings.Join(got, "\n") != test.want || (err == nil) != (test.want != "") {
			t.Errorf("%s %q: got %q, %v", test.sender, test.value, got, err)
		}
		if err == nil {
			continue
		}
		if text := strings.Trim(test.value, "\"' \n\u00a0"); text != "" && (!errors.Is(err, ErrBadSecret) || strings.Contains(err.Error(), text)) {
			t.Errorf("%s %q: %v", test.sender, test.value, err)
		}
	}
}

// TestStrength: what can be guessed stops a start. Every scheme has a least length, but for those whose secret is public.
func TestStrength(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ sender, weak, good string }{
		{"standard-webhooks", "whsec_AA==", whsecOne},
		{"standard-webhooks", "whsec_AAAAAAAAAAAAAAAAAAAA", "whsec_AAAAAAAAAAAAAAAAAAAAAA=="},
		{"supabase-auth-hook", "v1", "v1," + whsecOne},
		{"supabase-auth-hook", "v1,whsec_AAAA", "v1," + whsecOne},
		{"openai", "whsec_AA==", whsecOne},
		{"openai", "short-1", "short-12"},
		{"airtable", "c2VjcmV0LWtleQ==", "c2VjcmV0LWtleS1vZi0xNg=="},
		{"adyen", "00ff", hexOne},
		{"adyen-platform", hexOne[:30], hexOne},
		{"github", "seven77", "eight888"},
		{"meta", "seven77:and-a-long-token", "eight888:t"},
		{"braintree", "a-long-public-key:private", "p:private-key"},
		{"postmark", "a-long-user:seven77", "u:eight888"},
		{"gitlab", "seven77", "eight888"},
		{"twilio", "12345", hexOne},
		{"netlify", "seven77", "eight888"},
		{"hubspot-v1", "seven77", "eight888"},
		{"hook0", "seven77", "eight888"},
		{"contentful", "seven77", "eight888"},
		{"easypost", "s\u00e9ven77", "\u00e9ight888"},
	} {
		row, _ := Lookup(test.sender)
		if err := row.CheckStrength(test.weak); !errors.Is(err, ErrWeakSecret) || strings.Contains(err.Error(), test.weak) {
			t.Errorf("%s %q: %v", test.sender, test.weak, err)
		}
		if err := row.CheckStrength(test.good); err != nil {
			t.Errorf("%s %q: %v", test.sender, test.good, err)
		}
	}
	for _, row := range table {
		public := row.Name == "shipstation" || row.Name == "plaid" || row.publicSecret()
		if err := row.CheckStrength("7:7"); (err == nil) != public && row.keyEncoding() != HexKey && row.keyEncoding() != Base64Key && row.keyEncoding() != WhsecKey {
			t.Errorf("%s: %v", row.Name, err)
		}
	}
	for _, custom := range []Options{{Header: "X-A"}, {Header: "X-A", Encoding: "base64"}} {
		row, _ := Build("hmac", custom)
		if err := row.CheckStrength("seven77"); !errors.Is(err, ErrWeakSecret) {
			t.Errorf("hmac: %v", err)
		}
	}
	row, _ := Build("token", Options{Header: "X-A"})
	if err := row.CheckStrength("seven77"); !errors.Is(err, ErrWeakSecret) {
		t.Errorf("token: %v", err)
	}
}

// TestDocumentedSecretsStart: no secret that a sender's pages show is taken for a weak one.
func TestDocumentedSecretsStart(t *testing.T) {
	t.Parallel()
	for _, f := range Forgeries() {
		got, err := f.Sender.ReadSecret(f.Secret)
		if err != nil || len(got) != 1 || got[0] != f.Secret {
			t.Errorf("%s: %q, %v", f.Sender.Name, got, err)
		}
		if err := f.Sender.CheckStrength(f.Secret); err != nil {
			t.Errorf("%s: %v", f.Sender.Name, err)
		}
	}
}

func TestDoubts(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ sender, value, want string }{
		{"github", "abc,defghijk", "holds a comma"},
		{"gitlab", "abc,defghijk", "holds a comma"},
		{"postmark", "user:long,er:secret", "holds a comma"},
		{"github", "fifteen-letters", "shorter than 16"},
		{"github", "sixteen-letters!", ""},
		{"meta", "fifteen-letters:token", "shorter than 16"},
		{"supabase-auth-hook", "v1," + whsecOne, ""},
		{"standard-webhooks", whsecOne + "," + whsecTwo, ""},
		{"slack", hexOne + "," + hexTwo, ""},
		{"paypal", "1JE4", ""},
		{"github", `"quoted"`, ""},
	} {
		row, _ := Lookup(test.sender)
		if got := row.Doubt(test.value); (got == "") != (test.want == "") || !strings.Contains(got, test.want) || strings.Contains(got, test.value) {
			t.Errorf("%s %q: %q", test.sender, test.value, got)
		}
	}
}

// TestHandedOver: a stranger can hand a secret over, so it is neither guessed nor large.
func TestHandedOver(t *testing.T) {
	t.Parallel()
	for secret, want := range map[string]bool{
		"seven77": false, "eight888": true, strings.Repeat("x", 512): true, strings.Repeat("x", 513): false, " eight888": false, "        ": false,
	} {
		if err := CheckHandedOver(secret); (err == nil) != want || err != nil && !errors.Is(err, ErrBadSecret) {
			t.Errorf("%q: %v", secret, err)
		}
	}
}

// FuzzReadSecret: a value is one secret as it is, or several of which each is beyond doubt.
func FuzzReadSecret(f *testing.F) {
	for _, s := range Forgeries() {
		f.Add(s.Sender.Name, s.Secret)
		f.Add(s.Sender.Name, s.Secret+","+s.Secret)
	}
	f.Add("supabase-auth-hook", "v1,"+whsecOne+",v1,"+whsecTwo)
	f.Fuzz(func(t *testing.T, name, value string) {
		row, found := Lookup(name)
		if !found {
			return
		}
		secrets, err := row.ReadSecret(value)
		if err != nil {
			if len(secrets) > 0 || !errors.Is(err, ErrBadSecret) && !errors.Is(err, ErrNoSecret) {
				t.Errorf("%s %q: %q, %v", name, value, secrets, err)
			}
			return
		}
		if len(secrets) == 1 && secrets[0] == value {
			return
		}
		for _, secret := range secrets {
			if strings.Contains(secret, ",") || !row.separable(secret) || row.CheckStrength(secret) != nil {
				t.Errorf("%s %q: took %q out of it", name, value, secret)
			}
		}
	})
}
