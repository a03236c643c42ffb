package admin

import (
	"encoding/json"
	"fmt"
	"maps"

	"jethook/consume/endpoint"
)

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
