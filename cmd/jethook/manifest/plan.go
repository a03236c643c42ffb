package manifest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"jethook/consume/admin/endpoints"
	"jethook/consume/endpoint"
	"jethook/consume/endpoint/signing"
)

// Action is what a step does.
type Action string

// The actions.
const (
	Create Action = "create"
	Change Action = "change"
	Remove Action = "remove"
	Keep   Action = "keep" // nothing differs
)

// Step is what must be done to one endpoint.
type Step struct {
	Action      Action       `json:"action"`
	Name        string       `json:"name"`
	ID          string       `json:"id,omitempty"` // empty: not created yet
	Differences []Difference `json:"differences,omitempty"`

	// Body is what to send to the admin API: an endpoint to create, or what to change of one.
	Body map[string]json.RawMessage `json:"-"`
}

// Existing is an endpoint that there is, and whether it signs with a secret.
type Existing struct {
	Endpoints []endpoint.Endpoint // their Secrets are not known
	// Signs reports whether a secret, of a type or else of any, is the newest of an endpoint's.
	Signs func(e *endpoint.Endpoint, secret string, as signing.SecretType) (bool, error)
}

// Compare returns a step for each entry, in their order, and with prune one for each endpoint that no entry names.
// file is the manifest's name. The error is a *Problems if the manifest is wrong: every entry is held against the
// rules that the admin API has, all but that for addresses, which only the server knows.
func Compare(file string, entries []Entry, there Existing, prune bool) ([]Step, error) {
	c := comparison{there: there, problems: &Problems{File: file}, now: time.Now()}
	named := map[string]bool{}
	var steps []Step
	for i := range entries {
		named[entries[i].name()] = true
		step, err := c.step(&entries[i])
		if err != nil {
			return nil, err
		}
		steps = append(steps, step)
	}
	for i := range there.Endpoints {
		if e := &there.Endpoints[i]; prune && !named[e.Name] {
			steps = append(steps, Step{Action: Remove, Name: e.Name, ID: e.ID})
		}
	}
	return steps, c.problems.err()
}

type comparison struct {
	there    Existing
	problems *Problems
	now      time.Time
}

// anyAddress allows what the server may refuse.
var anyAddress = endpoint.NewAddressPolicy([]netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")})

// withoutKnown leaves out a certificate whose key is not given because the endpoint has both.
func withoutKnown(spec *endpoint.Spec, there []*endpoint.Endpoint) *endpoint.Spec {
	keyless := spec.ClientKey == nil || *spec.ClientKey == ""
	if !keyless || spec.ClientCertificate == nil || len(there) != 1 || *spec.ClientCertificate != there[0].ClientCertificate {
		return spec
	}
	out := *spec
	out.ClientCertificate = nil
	return &out
}

func (c *comparison) step(e *Entry) (Step, error) {
	body, spec, err := endpoints.Replacement(&e.Fields)
	if err != nil {
		return Step{}, err
	}
	same := c.named(e.name())
	wanted, err := endpoint.New(withoutKnown(spec, same), anyAddress, c.now)
	if c.note(e, err) {
		return Step{}, nil
	}
	switch len(same) {
	case 0:
		for name, value := range body {
			if string(value) == "null" {
				delete(body, name) // its default
			}
		}
		step := Step{Action: Create, Name: wanted.Name, Body: body}
		step.Differences, err = differences(nil, &wanted, body)
		return step, err
	case 1:
		return c.change(e, same[0], body, spec)
	default:
		ids := make([]string, len(same))
		for i, s := range same {
			ids[i] = s.ID
		}
		c.problems.add(e.place("name"), "name", "is the name of several endpoints: %s; rename or remove all but one", strings.Join(ids, ", "))
		return Step{}, nil
	}
}

// change compares an entry with the endpoint of its name. What does not differ is left out of the body.
func (c *comparison) change(e *Entry, now *endpoint.Endpoint, body map[string]json.RawMessage, spec *endpoint.Spec) (Step, error) {
	current := *now
	current.Secrets = []signing.Secret{signing.GenerateSecret()} // stands for those that the API does not show
	if spec.Secret == nil {                                      // of which type it is was chosen when it was made
		spec.SecretType = nil
	}
	wanted, err := current.With(spec, anyAddress, c.now)
	if c.note(e, err) {
		return Step{}, nil
	}
	step := Step{Action: Keep, Name: wanted.Name, ID: now.ID, Body: map[string]json.RawMessage{}}
	if step.Differences, err = differences(&current, &wanted, body); err != nil {
		return step, err
	}
	if secret := e.Fields.Secret; secret != nil {
		var as signing.SecretType
		if spec.SecretType != nil {
			as = signing.SecretType(*spec.SecretType)
		}
		same, err := c.there.Signs(now, *secret, as)
		if err != nil {
			return step, err
		}
		if same {
			step.Differences = slices.DeleteFunc(step.Differences, func(d Difference) bool { return d.Field == "secret" })
		}
	}
	for _, d := range step.Differences {
		step.Action = Change
		field, _, _ := strings.Cut(d.Field, ".")
		step.Body[field] = body[field]
		if as, given := body["secret_type"]; given && field == "secret" {
			step.Body["secret_type"] = as
		}
	}
	return step, nil
}

// note adds what the rules found wrong, and reports whether that is anything.
func (c *comparison) note(e *Entry, err error) bool {
	var wrong endpoint.Problems
	if !errors.As(err, &wrong) {
		return false
	}
	for _, p := range wrong {
		c.problems.add(e.place(p.Field), p.Field, "%s", p.Message)
	}
	return true
}

func (c *comparison) named(name string) (same []*endpoint.Endpoint) {
	for i := range c.there.Endpoints {
		if c.there.Endpoints[i].Name == name {
			same = append(same, &c.there.Endpoints[i])
		}
	}
	return same
}

// fieldsOf returns the fields of an endpoint that a manifest can have, as JSON. Those that have their default and
// that the API leaves out are not there.
func fieldsOf(e *endpoint.Endpoint) (map[string]json.RawMessage, error) {
	data, err := json.Marshal(e)
	var fields map[string]json.RawMessage
	if err == nil {
		err = json.Unmarshal(data, &fields)
	}
	if err != nil {
		return nil, fmt.Errorf("encoding endpoint %s: %w", e.ID, err)
	}
	return fields, nil
}
