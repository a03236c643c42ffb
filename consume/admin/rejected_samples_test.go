package admin_test

import (
	"net/http"
	"strings"
	"time"

	"jethook/config"
)

// rejectedSamples asks for what shop did not verify of.
func rejectedSamples(path string, status int) func(a *api) []exchange {
	return func(a *api) []exchange {
		id := a.reject(refused("wrong"))
		path := "/api/v1/sources/shop" + strings.ReplaceAll(path, "{id}", id)
		return []exchange{{path: path, status: status}, {path: strings.Replace(path, "shop", "none", 1), status: 404}}
	}
}

func retryRejectedSamples(a *api) []exchange {
	const path = "/api/v1/sources/shop/retry"
	a.reject(refused("wrong"))
	a.reject(refused("right"))
	return []exchange{
		{path: path, body: `{"since":"1h"}`, status: 200},
		{path: path, body: `{"ids":["x"]}`, status: 422},
	}
}

// pairingSamples asks for the secrets of a sender that hands them over, and of one that does not.
func pairingSamples(path string, status int) func(a *api) []exchange {
	return func(a *api) []exchange {
		a.learn("handed over")
		return []exchange{{path: "/api/v1/sources/asana" + path, status: status}, {path: "/api/v1/sources/shop" + path, status: 409}}
	}
}

// signedSample is what the source shop takes; asana signs with a key of its own.
func signedSample(source string) (http.Header, []byte, bool) {
	return http.Header{"X-Signature": {"c2lnbmVk"}}, []byte(`{"type":"jethook.sample"}`), source == "shop"
}

func sourceSamples(*api) []exchange {
	return []exchange{
		{path: "/api/v1/sources/shop/sample", status: 200},
		{path: "/api/v1/sources/asana/sample", status: 409},
		{path: "/api/v1/sources/nosuch/sample", status: 404},
	}
}

func pairSamples(*api) []exchange {
	const path = "/api/v1/sources/asana/pair"
	return []exchange{
		{path: path, body: `{"for":"1h"}`, status: 200},
		{path: path, status: 200},
		{path: path, body: `{"for":"1y"}`, status: 422},
		{path: "/api/v1/sources/shop/pair", status: 409},
	}
}

// learn keeps a secret as if asana had handed it over.
func (a *api) learn(secret string) {
	a.t.Helper()
	now := time.Now()
	nonce, err := a.bus.Sources().Pair(a.t.Context(), "asana", now.Add(time.Minute))
	if err == nil {
		_, err = a.bus.Sources().Learn(a.t.Context(), "asana", config.NewSecret(secret), nonce, now)
	}
	if err != nil {
		a.t.Fatal(err)
	}
}
