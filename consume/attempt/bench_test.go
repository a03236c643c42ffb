package attempt

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"jethook/consume/endpoint"
)

// BenchmarkDo is one signed delivery of 1 KB to a receiver in the same process, 64 at once. BenchmarkPost is
// the same without Jethook: what net/http alone costs here.
func BenchmarkDo(b *testing.B) {
	s := sink(b)
	c := local(b)
	e := endpointAt(s.URL + "/hook")
	e.Headers = map[string]string{"X-Team": "payments"}
	r := requestTo(e)
	r.Body = kilobyte()
	b.ReportAllocs()
	b.SetParallelism(32) // times GOMAXPROCS
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if res := c.Do(b.Context(), r); res.Verdict != Delivered {
				b.Errorf("%+v", res)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
}

func BenchmarkPost(b *testing.B) {
	s := sink(b)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: maxIdlePerHost}}
	b.Cleanup(client.CloseIdleConnections)
	body := kilobyte()
	b.ReportAllocs()
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			resp, err := client.Post(s.URL+"/hook", "application/json", bytes.NewReader(body))
			if err != nil {
				b.Error(err)
				continue
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
}

// BenchmarkRequest is what a delivery costs before it is sent: the format, the headers and the signature.
func BenchmarkRequest(b *testing.B) {
	c := NewClient(Options{})
	r := requestTo(endpointAt("http://example.com/hook"))
	r.Body = kilobyte()
	for _, format := range []endpoint.Format{endpoint.FormatRaw, endpoint.FormatSlack} {
		b.Run(string(format), func(b *testing.B) {
			r.Endpoint.Format = format
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.request(b.Context(), &r, testNow); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func sink(b *testing.B) *httptest.Server {
	b.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	b.Cleanup(s.Close)
	return s
}

func kilobyte() []byte {
	return append(append([]byte(`{"type":"order.created","data":"`), bytes.Repeat([]byte("x"), 1024-34)...), `"}`...)
}
