package endpoints

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"jethook/consume/admin/operation"
	"jethook/consume/endpoint"
)

// EndpointFields is what a client chooses of an endpoint: an endpoint.Spec, described for the OpenAPI
// document. What is left out has its default.
type EndpointFields struct {
	Name       *string  `json:"name" nullable:"false" doc:"a human-readable name" example:"billing"`
	URL        *string  `json:"url" nullable:"false" doc:"the URL that deliveries are sent to: http or https, at a public address or in JETHOOK_ALLOWED_NETWORKS" example:"https://example.com/hook"`
	Events     []string `json:"events" doc:"NATS subject patterns of the events to deliver, such as events.order.* or webhooks.polar.>" example:"events.order.*"`
	Secret     *string  `json:"secret,omitempty" doc:"signs deliveries; default: generated; changing it replaces all secrets immediately" writeOnly:"true"`
	SecretType *string  `json:"secret_type,omitempty" enum:"text,base64,ed25519" doc:"how to read the key from the secret: its plain text, base64, or an Ed25519 private key (whsk_); default: depends on the secret's form, as the response says; without a secret, a new endpoint gets one of this type"`
	Format     *string  `json:"format,omitempty" enum:"raw,slack,discord,cloudevents" doc:"default: slack or discord for their webhook URLs, else raw"`

	Signature         *endpoint.SignatureSpec `json:"signature,omitempty" doc:"default: scheme standard (Standard Webhooks); hmac and bearer for receivers written for other senders"`
	Second            *endpoint.SignatureSpec `json:"second_signature,omitempty" doc:"a second signature with the same secrets, while receivers migrate; default: none"`
	CA                *string                 `json:"ca,omitempty" doc:"certificates in PEM of the authorities that may vouch for the receiver, instead of the system's"`
	ClientCertificate *string                 `json:"client_certificate,omitempty" doc:"certificate in PEM, with its chain, that Jethook shows the receiver; requires client_key"`
	ClientKey         *string                 `json:"client_key,omitempty" doc:"its key in PEM, unencrypted; no response shows it; default: the key that is there" writeOnly:"true"`
	Headers           map[string]string       `json:"headers,omitempty" doc:"headers to send with every delivery"`
	RetrySchedule     []string                `json:"retry_schedule,omitzero" doc:"pauses between attempts; empty: a single attempt; default: JETHOOK_RETRY_SCHEDULE" example:"5m,30m,2h"`
	Timeout           *string                 `json:"timeout,omitempty" doc:"time limit of one attempt; default: JETHOOK_DELIVERY_TIMEOUT" example:"20s"`
	RateLimit         *string                 `json:"rate_limit,omitempty" doc:"maximum requests per second, minute, or hour from each process, evenly spaced" example:"10/s"`
	Concurrency       *int                    `json:"concurrency,omitempty" minimum:"0" maximum:"1000" doc:"maximum concurrent requests from each process; 0: the default"`
	Ordered           *bool                   `json:"ordered,omitempty" doc:"deliver one event at a time, in stream order, each after the previous one is delivered or dead; only for new endpoints"`
	Disabled          *bool                   `json:"disabled,omitempty" doc:"deliver nothing while true; see enable and disable"`
}

// endpointChange is the body of a change: some EndpointFields, as they came, since null means another thing
// than nothing.
type endpointChange map[string]json.RawMessage

// defaults are what null stands for in a change, as endpoint.Spec writes it. Fields that are not here can't
// be null.
var defaults = map[string]json.RawMessage{
	"format":             json.RawMessage(`""`),
	"signature":          json.RawMessage(`{}`),
	"second_signature":   json.RawMessage(`{}`),
	"headers":            json.RawMessage(`{}`),
	"retry_schedule":     json.RawMessage(`["default"]`),
	"timeout":            json.RawMessage(`""`),
	"ca":                 json.RawMessage(`""`),
	"client_certificate": json.RawMessage(`""`),
	"client_key":         json.RawMessage(`""`),
	"rate_limit":         json.RawMessage(`""`),
	"concurrency":        json.RawMessage(`0`),
	"disabled":           json.RawMessage(`false`),
}

// Schema is that of EndpointFields with nothing required and null allowed, as huma asks for it.
func (endpointChange) Schema(r huma.Registry) *huma.Schema {
	all := r.Schema(reflect.TypeFor[EndpointFields](), false, "")
	s := &huma.Schema{Type: huma.TypeObject, AdditionalProperties: false, Properties: make(map[string]*huma.Schema)}
	for name, property := range all.Properties {
		p := *property
		_, p.Nullable = defaults[name]
		s.Properties[name] = &p
	}
	return s
}

// spec returns the change as package endpoint takes it.
func (c endpointChange) spec() (*endpoint.Spec, error) {
	var fields []operation.FailureField
	given := make(map[string]bool)
	for name, value := range c {
		if lower := strings.ToLower(name); given[lower] { // the schema was held against one of them
			fields = append(fields, operation.FailureField{Field: lower, Message: "is given twice, in upper and lower case"})
		} else {
			given[lower] = true
		}
		if string(value) != "null" {
			continue
		}
		var ok bool
		if c[name], ok = defaults[strings.ToLower(name)]; !ok {
			fields = append(fields, operation.FailureField{Field: name, Message: "can't be null"})
		}
	}
	if len(fields) > 0 {
		slices.SortFunc(fields, func(a, b operation.FailureField) int { return strings.Compare(a.Field, b.Field) })
		return nil, operation.Invalid(fields...)
	}
	var s endpoint.Spec
	data, err := json.Marshal(c)
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	if err != nil {
		return nil, fmt.Errorf("reading a change that fits its schema: %w", err)
	}
	return &s, nil
}

// Replacement returns the body of the change that makes an endpoint all that f says, and the same as package
// endpoint takes it: what f leaves out goes back to its default. Two things stay unless f gives them: the secret,
// which nobody wants to repeat, and disabled, which Jethook also sets by itself.
func Replacement(f *EndpointFields) (body map[string]json.RawMessage, spec *endpoint.Spec, err error) {
	data, err := json.Marshal(f)
	if err == nil {
		err = json.Unmarshal(data, &body)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("encoding an endpoint's fields: %w", err)
	}
	maps.DeleteFunc(body, func(_ string, value json.RawMessage) bool { return string(value) == "null" })
	for name := range defaults {
		if _, given := body[name]; !given && name != "disabled" {
			body[name] = json.RawMessage("null")
		}
	}
	if _, given := body["ordered"]; !given {
		body["ordered"] = json.RawMessage("false")
	}
	spec, err = endpointChange(maps.Clone(body)).spec()
	return body, spec, err
}
