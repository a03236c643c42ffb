package client

import (
	"encoding/json"
	"fmt"
)

// EventBody encodes an event around its data, which encoding/json would not keep byte for byte. An empty id is left out.
func EventBody(eventType, id string, data []byte) (RawBody, error) {
	head, err := json.Marshal(struct {
		Type string `json:"type"`
		ID   string `json:"id,omitempty"`
	}{eventType, id})
	if err != nil {
		return nil, fmt.Errorf("encoding the event: %w", err)
	}
	body := append(head[:len(head)-1], `,"data":`...)
	return append(append(body, data...), '}'), nil
}
