package provider

import (
	"errors"
	"slices"
	"testing"
)

// What is made for a sender is verified by another maker's rules too: that its source takes it is what SampleRequest promises.
func TestSampleRequest(t *testing.T) {
	t.Parallel()
	var without []string
	for _, f := range Forgeries() {
		r, err := f.Sender.SampleRequest(f.Secret, sampleURL, "smp_1", at)
		if errors.Is(err, ErrNoSample) {
			without = append(without, f.Sender.Name)
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", f.Sender.Name, err)
			continue
		}
		receiver, err := f.Sender.Bind(Binding{Secrets: []string{f.Secret}})
		if err != nil {
			t.Fatal(err)
		}
		outcome, err := receiver.Receive(r, at)
		if err != nil || len(outcome.Events) != 1 {
			t.Errorf("%s: %v, %d events", f.Sender.Name, err, len(outcome.Events))
		}
		other, err := f.Sender.Bind(Binding{Secrets: []string{anyText + "x"}})
		if err == nil {
			if _, err = other.Receive(r, at); err == nil {
				t.Errorf("%s: the sample verifies with another secret", f.Sender.Name)
			}
		}
	}
	for _, name := range []string{"stripe", "github", "polar", "slack", "shopify", "standard-webhooks", "gitlab"} {
		if slices.Contains(without, name) {
			t.Errorf("%s has no sample", name)
		}
	}
	if len(without) > 42 {
		t.Errorf("%d senders have no sample: %v", len(without), without)
	}
}
