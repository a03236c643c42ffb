package attempt

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"jethook/consume/endpoint"
)

// Whatever an event is, an endpoint of this format gets one CloudEvent in structured mode.
func TestStructuredCloudEvents(t *testing.T) {
	t.Parallel()
	url, got := recorder(t)
	binary := map[string]string{
		"Ce-Specversion": "1.0", "Ce-Id": "7", "Ce-Type": "com.example.a", "Ce-Source": "/shop", "Ce-Subject": "S%C3%A3o", "Ce-Partitionkey": "k", "X-Other": "1",
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, row := range map[string]struct {
		r    Request
		want string
	}{
		"webhook": {
			Request{Source: "shop", Received: at, ContentType: "application/json", Body: []byte(`{"a":12345678901234567890}`)},
			`{"specversion":"1.0","id":"evt_1","type":"order.created","source":"/webhooks/shop","time":"2026-01-02T03:04:05Z","datacontenttype":"application/json","data":{"a":12345678901234567890}}`,
		},
		"text":       {Request{ContentType: "text/plain", Body: []byte("a<b")}, `{"specversion":"1.0","id":"evt_1","type":"order.created","source":"/events","datacontenttype":"text/plain","data":"a<b"}`},
		"bytes":      {Request{Body: []byte("\xff")}, `{"specversion":"1.0","id":"evt_1","type":"order.created","source":"/events","datacontenttype":"application/octet-stream","data_base64":"/w=="}`},
		"no JSON":    {Request{ContentType: "application/json", Body: []byte("{")}, `{"specversion":"1.0","id":"evt_1","type":"order.created","source":"/events","datacontenttype":"application/json","data_base64":"ew=="}`},
		"nothing":    {Request{}, `{"specversion":"1.0","id":"evt_1","type":"order.created","source":"/events","datacontenttype":"application/octet-stream"}`},
		"binary":     {Request{Header: binary, Body: []byte(`[1]`)}, `{"specversion":"1.0","id":"7","type":"com.example.a","source":"/shop","subject":"São","partitionkey":"k","datacontenttype":"application/json","data":[1]}`},
		"structured": {Request{Body: []byte(`{"specversion":"1.0","id":"7","type":"t","source":"s","data":1}`)}, `{"specversion":"1.0","id":"7","type":"t","source":"s","data":1}`},
	} {
		e := endpointAt(url)
		e.Format = endpoint.FormatCloudEvents
		r := row.r
		r.Endpoint, r.EventID, r.EventType, r.Attempt = e, "evt_1", "order.created", 1
		expect(t, local(t).Do(t.Context(), r), Delivered, ClassOK)
		req := <-got
		if ct := req.header.Get("Content-Type"); ct != "application/cloudevents+json" || req.header["Ce-Id"] != nil {
			t.Errorf("%s: %v", name, req.header)
		}
		var is, want any
		if json.Unmarshal(req.body, &is) != nil || json.Unmarshal([]byte(row.want), &want) != nil || !reflect.DeepEqual(is, want) {
			t.Errorf("%s: got %s, want %s", name, req.body, row.want)
		}
	}
}

// A receiver of binary mode finds the attributes where its sender put them.
func TestBinaryCloudEvents(t *testing.T) {
	t.Parallel()
	url, got := recorder(t)
	r := requestTo(endpointAt(url))
	r.Header = map[string]string{"Ce-Specversion": "1.0", "Ce-Id": "7", "Ce-Type": "com.example.a", "Ce-Source": "/shop"}
	expect(t, local(t).Do(t.Context(), r), Delivered, ClassOK)
	if h := (<-got).header; h.Get("ce-id") != "7" || h.Get("ce-source") != "/shop" || h.Get("ce-type") != "com.example.a" || h.Get("ce-specversion") != "1.0" {
		t.Errorf("got %v", h)
	}
}
