package ingest

import (
	"log/slog"
	"testing"

	"jethook/config"
)

// A sample is signed with the secret that the source has now, and is stored like any event.
func TestSample(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	stripe := config.Source{Name: "shop", Provider: "stripe", Secrets: []config.Secret{config.NewSecret("whsec_of-the-shop-in-the-tests")}}
	s, err := New(Options{
		Publisher: r.bus, MaxBody: 1 << 20, Log: slog.New(slog.DiscardHandler),
		Sources: []config.Source{stripe, {Name: "mail", Provider: "aws-sns", Secrets: []config.Secret{config.NewSecret("arn:aws:sns:us-west-2:123456789012:MyTopic")}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	url := serveHandler(t, s)
	for i, secret := range []string{"whsec_of-the-shop-in-the-tests", "whsec_another-one-of-the-shop"} {
		stripe.Secrets[0] = config.NewSecret(secret)
		if err := s.Renew([]config.Source{stripe}); err != nil {
			t.Fatal(err)
		}
		header, body, ok := s.Sample("shop")
		if !ok {
			t.Fatal("there is no sample")
		}
		if resp, answer := do(t, request(t, url+"/webhooks/shop", string(body), header)); resp.StatusCode/100 != 2 {
			t.Fatalf("answer %d %s", resp.StatusCode, answer)
		}
		if n := r.stored(t); n != uint64(i+1) {
			t.Errorf("%d events are stored after sample %d", n, i+1)
		}
		if subject := r.last(t).Subject; subject != "webhooks.shop.jethook.sample" {
			t.Errorf("stored on %s", subject)
		}
	}
	for _, name := range []string{"mail", "nosuch"} {
		if _, _, ok := s.Sample(name); ok {
			t.Errorf("%s has a sample", name)
		}
	}
}
