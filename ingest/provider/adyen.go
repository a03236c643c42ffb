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

// eachAdyenItem calls check with every item of the body until one returns an error. No name may be repeated on the way
// to what is signed. Items are not gathered: a stranger can send millions.
func eachAdyenItem(r *Request, check func(item gjson.Result) error) error {
	if !r.validJSON() {
		return fmt.Errorf("no JSON: %w", ErrMalformedBody)
	}
	body := gjson.Parse(view(r.text()))
	list := body.Get("notificationItems")
	if !list.IsArray() {
		return fmt.Errorf("json:notificationItems: %w", ErrMissingField)
	}
	if repeats(body, "notificationItems") {
		return errRepeated
	}
	err := fmt.Errorf("json:notificationItems: %w", ErrMissingField) // if there is no item
	n := 0
	list.ForEach(func(_, element gjson.Result) bool {
		item := element.Get("NotificationRequestItem")
		n++
		if err = check(item); err == nil && adyenRepeats(element, item) {
			err = errRepeated
		}
		if err != nil {
			err = fmt.Errorf("item %d: %w", n, err)
		}
		return err == nil
	})
	return err
}

// adyenRepeats reports whether a name is repeated on the way to what is signed of an item.
func adyenRepeats(element, item gjson.Result) bool {
	return repeats(element, "NotificationRequestItem") || repeats(item, adyenNames...) ||
		repeats(item.Get("amount"), "value", "currency") || repeats(item.Get("additionalData"), "hmacSignature")
}

// adyenNames are the names in an item that lead to what is signed.
var adyenNames = []string{
	"pspReference", "originalReference", "merchantAccountCode", "merchantReference", "amount", "eventCode", "success", "additionalData",
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
	var content []string
	err := eachAdyenItem(r, func(item gjson.Result) error {
		content = append(content, adyenContent(item))
		return nil
	})
	if err != nil {
		return nil, err
	}
	return []byte(strings.Join(content, "\n")), nil
}

// Verify implements [Verifier].
func (v *adyenVerifier) Verify(r *Request, _ time.Time) error { return eachAdyenItem(r, v.verifyItem) }

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
