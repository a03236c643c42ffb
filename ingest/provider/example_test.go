package provider_test

import (
	"fmt"
	"net/http"
	"time"

	"jethook/ingest/provider"
)

// A row of the table, bound to its secret, turns a request into events and an answer.
func ExampleReceiver_Receive() {
	sender, _ := provider.Lookup("github")
	receiver, err := sender.Bind(provider.Binding{Secrets: []string{"It's a Secret to Everybody"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	request := &provider.Request{
		Method: "POST",
		Body:   []byte("Hello, World!"),
		Header: http.Header{
			"X-Github-Event":      {"push"},
			"X-Github-Delivery":   {"72d3162e-cc78-11e3-81ab-4c9367dc0958"},
			"X-Hub-Signature-256": {"sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"},
		},
	}
	outcome, err := receiver.Receive(request, time.Now())
	fmt.Println(outcome.Answer.Status, outcome.Events[0].Type, outcome.Events[0].ID, err)

	request.Body = []byte("Hello, World?")
	_, err = receiver.Receive(request, time.Now())
	fmt.Println(receiver.Refusal(err).Status, provider.Reason(err))
	// Output:
	// 202 push 72d3162e-cc78-11e3-81ab-4c9367dc0958 <nil>
	// 401 bad_signature
}
