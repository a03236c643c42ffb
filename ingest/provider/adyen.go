package provider

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// AdyenItems is how Adyen signs its standard notifications: HMAC-SHA256 in base64 over eight fields of each item,
// inside the item. Nothing else of the body is covered. Source: Adyen/adyen-node-api-library, utils/hmacValidator.
type AdyenItems struct{}

// Credentials implements [Scheme].
func (AdyenItems) Credentials() []string { return nil }

// CoversBody implements [Scheme].
func (AdyenItems) CoversBody() bool { return false }

// String implements [Scheme].
func (AdyenItems) String() string {
	return "HMAC-SHA256, base64 in json:additionalData.hmacSignature of each item over eight of its fields"
}

// Bind implements [Scheme].
func (AdyenItems) Bind(b Binding) (Verifier, error) {
	keys, err := bindKeys(b, SHA256, HexKey)
	if err != nil {
		return nil, err
	}
	return &adyenVerifier{keys}, nil
}

type adyenVerifier struct{ keys []*hmacKey }

// adyenFields are what is signed of an item, joined by colons; a missing one is empty.
var adyenFields = []string{
	"pspReference", "originalReference", "merchantAccountCode", "merchantReference",
	"amount.value", "amount.currency", "eventCode", "success",
}

// adyenItems are the items of the body, in which no name is repeated on the way to what is signed.
func adyenItems(r *Request) ([]gjson.Result, error) {
	if !r.validJSON() {
		return nil, fmt.Errorf("no JSON: %w", ErrMalformedBody)
	}
	list := gjson.GetBytes(r.Body, "notificationItems")
	if !list.IsArray() {
		return nil, fmt.Errorf("json:notificationItems: %w", ErrMissingField)
	}
	var items []gjson.Result
	twice := repeats(gjson.ParseBytes(r.Body))
	list.ForEach(func(_, element gjson.Result) bool {
		item := element.Get("NotificationRequestItem")
		items = append(items, item)
		twice = twice || repeats(element) || repeats(item) || repeats(item.Get("amount")) || repeats(item.Get("additionalData"))
		return !twice
	})
	if twice {
		return nil, fmt.Errorf("a field is repeated: %w", ErrMalformedBody)
	}
	if len(items) == 0 {
		return nil, fmt.Errorf("json:notificationItems: %w", ErrMissingField)
	}
	return items, nil
}

func adyenContent(item gjson.Result) string {
	values := make([]string, len(adyenFields))
	for i, field := range adyenFields {
		values[i] = item.Get(field).String()
	}
	return strings.Join(values, ":")
}

// Signed implements [Verifier].
func (v *adyenVerifier) Signed(r *Request) ([]byte, error) {
	items, err := adyenItems(r)
	if err != nil {
		return nil, err
	}
	var content []string
	for _, item := range items {
		content = append(content, adyenContent(item))
	}
	return []byte(strings.Join(content, "\n")), nil
}

// Verify implements [Verifier].
func (v *adyenVerifier) Verify(r *Request, _ time.Time) error {
	items, err := adyenItems(r)
	if err != nil {
		return err
	}
	for _, item := range items {
		if err := v.verifyItem(item); err != nil {
			return err
		}
	}
	return nil
}

func (v *adyenVerifier) verifyItem(item gjson.Result) error {
	const field = "additionalData.hmacSignature"
	text := scalar(item.Get(field))
	if text == "" {
		return fmt.Errorf("json:%s: %w", field, ErrMissingField)
	}
	p := presented{n: 1}
	p.texts[0] = text
	var given sums
	if !given.decode(&p, Base64, sha256.Size) {
		return fmt.Errorf("json:%s: %w", field, ErrMalformedBody)
	}
	content := []byte(adyenContent(item))
	for _, key := range v.keys {
		if given.contain(key.sumOf(content)) {
			return nil
		}
	}
	return ErrBadSignature
}
