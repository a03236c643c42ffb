package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"

	"jethook/consume/admin/endpoints"
	"jethook/consume/endpoint"
)

// Of returns the entries that describe endpoints: applied, they change nothing. secrets holds those that are to
// be in it, by the endpoint's id.
func Of(described []endpoint.Endpoint, secrets map[string]endpoints.RevealedSecret) ([]endpoints.EndpointFields, error) {
	all := make([]endpoints.EndpointFields, len(described))
	for i := range described {
		e, f := &described[i], &all[i]
		data, err := json.Marshal(e)
		if err == nil {
			err = json.Unmarshal(data, f)
		}
		if err != nil {
			return nil, fmt.Errorf("describing endpoint %s: %w", e.ID, err)
		}
		if !e.Disabled {
			f.Disabled = nil // as it is then, also when Jethook disables it by itself
		}
		if secret, ok := secrets[e.ID]; ok {
			text := escape(secret.Secret)
			if f.Secret = &text; secret.Type != "" {
				f.SecretType = &secret.Type
			}
		}
		url := escape(*f.URL)
		f.URL = &url
		for name, value := range f.Headers {
			f.Headers[name] = escape(value)
		}
	}
	return all, nil
}

// YAML returns the manifest that lists these endpoints.
func YAML(entries []endpoints.EndpointFields) ([]byte, error) {
	list := &yaml.Node{Kind: yaml.SequenceNode}
	for i := range entries {
		n, err := mapping(reflect.ValueOf(&entries[i]).Elem())
		if err != nil {
			return nil, err
		}
		list.Content = append(list.Content, n)
	}
	if len(entries) == 0 {
		list.Style = yaml.FlowStyle
	}
	var b bytes.Buffer
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	err := encoder.Encode(&yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{text("endpoints"), list}})
	if err == nil {
		err = encoder.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("encoding endpoints: %w", err)
	}
	return b.Bytes(), nil
}

func text(s string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(s)
	return n
}

// mapping returns a struct's fields by their JSON names and in their order, without those that are not set.
func mapping(v reflect.Value) (*yaml.Node, error) {
	n := &yaml.Node{Kind: yaml.MappingNode}
	for _, f := range reflect.VisibleFields(v.Type()) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		value := v.FieldByIndex(f.Index)
		if value.IsZero() {
			continue
		}
		if value.Kind() == reflect.Pointer {
			value = value.Elem()
		}
		node, err := encode(value)
		if err != nil {
			return nil, err
		}
		n.Content = append(n.Content, text(name), node)
	}
	return n, nil
}

func encode(v reflect.Value) (*yaml.Node, error) {
	if v.Kind() == reflect.Struct {
		return mapping(v)
	}
	var n yaml.Node
	if err := n.Encode(v.Interface()); err != nil {
		return nil, fmt.Errorf("encoding an endpoint: %w", err)
	}
	if v.Kind() == reflect.Slice && v.Len() == 0 {
		n.Style = yaml.FlowStyle
	}
	return &n, nil
}
