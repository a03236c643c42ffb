package main

import (
	"net/http"
	"testing"
)

// A proxy of the environment would make requests to addresses that the guard never sees: none is used.
func TestNoProxyOfTheEnvironment(t *testing.T) {
	t.Parallel()
	proxy := newSink(t, func(int) int { return http.StatusOK })
	p := newProcess(t, "HTTP_PROXY="+proxy.url, "http_proxy="+proxy.url, "JETHOOK_RETRY_SCHEDULE=none", "JETHOOK_DELIVERY_TIMEOUT=5s")
	p.start(t, "serve")
	p.api(t, "POST", "/api/v1/endpoints", `{"name":"x","url":"http://hook.invalid/","events":["webhooks.>"]}`, nil)
	if status, _ := p.post(t.Context(), http.DefaultClient, "evt_1", secret); status/100 != 2 {
		t.Fatalf("status %d", status)
	}
	var list struct {
		Items []struct{ Class string }
	}
	for len(list.Items) == 0 {
		p.api(t, "GET", "/api/v1/attempts", "", &list)
	}
	if class := list.Items[0].Class; proxy.n != 0 || class != "dns" && class != "timeout" {
		t.Errorf("the proxy got %d requests, and the attempt ended with %s", proxy.n, class)
	}
}
