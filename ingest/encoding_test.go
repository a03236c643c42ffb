package ingest

import (
	"bytes"
	"compress/zlib"
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"jethook/config"
	"jethook/config/logtest"
	"jethook/publish/event"
	"jethook/publish/groupcommit"
	"jethook/publish/quarantine"
)

// pile keeps published events in memory.
type pile struct {
	mu     sync.Mutex // guards events
	events []*event.Event
}

func (p *pile) Publish(_ context.Context, e *event.Event) (groupcommit.Receipt, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.events = append(p.events, e)
	return groupcommit.Receipt{}, nil
}

func (p *pile) PublishAll(ctx context.Context, events []*event.Event) error {
	for _, e := range events {
		p.Publish(ctx, e)
	}
	return nil
}

func deflated(t *testing.T, s string) string {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	w.Write([]byte(s))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestEncodings: which encodings are undone, what of a compressed body may be signed, and that every refusal is kept.
func TestEncodings(t *testing.T) {
	t.Parallel()
	const event = `{"type":"thing.happened","id":"1"}`
	token := func(gzip bool) config.Source {
		return config.Source{Name: "s", Provider: "token", Header: "X-Token", Type: "json:type", Secrets: secrets("the-token-of-the-tests"), Gzip: gzip}
	}
	twice := zip(event[:10]) + zip(event[10:])
	binary := "\x1f\x8b\x08 is no gzip"
	for name, test := range map[string]struct {
		source         config.Source
		encoding, kind string // Content-Encoding and Content-Type
		sent, signed   string
		stored         string // empty: refused
		status         int
		reason         string
	}{
		"a charset":                          {plain("s"), "UTF-8", "", event, event, event, 202, ""},
		"a charset, forged":                  {plain("s"), "UTF-8", "", event, "x", "", 401, "bad_signature"},
		"a charset, not taken compressed":    {zipped("s"), "utf-8", "", event, event, event, 202, ""},
		"GZIP":                               {zipped("s"), "GZIP", "", zip(event), event, event, 202, ""},
		"x-gzip":                             {zipped("s"), "x-gzip", "", zip(event), event, event, 202, ""},
		"X-GZip":                             {zipped("s"), "X-GZip", "", zip(event), event, event, 202, ""},
		"x-gzip, forged":                     {zipped("s"), "x-gzip", "", zip(event), "x", "", 401, "bad_signature"},
		"two members":                        {zipped("s"), "gzip", "", twice, event, event, 202, ""},
		"two members, the second cut off":    {zipped("s"), "gzip", "", twice[:len(twice)-3], event, "", 400, "bad_body"},
		"signed as it is compressed":         {zipped("s"), "gzip", "", zip(event), zip(event), event, 202, ""},
		"x-gzip for one that takes none":     {plain("s"), "x-gzip", "", zip(event), event, "", 415, "unsupported_encoding"},
		"gzip for one that takes none":       {plain("s"), "gzip", "", zip(event), event, "", 415, "unsupported_encoding"},
		"the sender itself compresses":       {plain("s"), "gzip", "", zip(event), zip(event), event, 202, ""},
		"the sender compresses badly":        {plain("s"), "gzip", "", "no gzip", "no gzip", "", 400, "bad_body"},
		"no header":                          {zipped("s"), "", "application/json", zip(event), event, event, 202, ""},
		"no header and no type":              {zipped("s"), "", "", zip(event), event, event, 202, ""},
		"no header, signed as compressed":    {zipped("s"), "", "application/json", zip(event), zip(event), event, 202, ""},
		"no header, for one that takes none": {plain("s"), "", "application/json", zip(event), event, "", 401, "bad_signature"},
		"no header, the sender compresses":   {plain("s"), "", "application/json; charset=utf-8", zip(event), zip(event), event, 202, ""},
		"a file that is gzip":                {plain("s"), "", "application/gzip", zip(event), zip(event), zip(event), 202, ""},
		"only the beginning is gzip":         {zipped("s"), "", "application/octet-stream", binary, binary, binary, 202, ""},
		"deflate":                            {zipped("s"), "deflate", "", deflated(t, event), event, "", 415, "unsupported_encoding"},
		"br":                                 {zipped("s"), "br", "", event, event, "", 415, "unsupported_encoding"},
		"zstd":                               {plain("s"), "zstd", "", event, event, "", 415, "unsupported_encoding"},
		"gzip on gzip":                       {zipped("s"), "gzip, gzip", "", zip(zip(event)), event, "", 415, "unsupported_encoding"},
		"a token and gzip":                   {token(true), "gzip", "", zip(event), "", event, 202, ""},
		"a token and gzip without header":    {token(true), "", "application/json", zip(event), "", event, 202, ""},
		"a token, none taken":                {token(false), "gzip", "", zip(event), "", "", 415, "unsupported_encoding"},
		"a token, none taken, no header":     {token(false), "", "application/json", zip(event), "", "", 415, "unsupported_encoding"},
		"a token and a file":                 {token(false), "", "application/octet-stream", zip(event), "", zip(event), 202, ""},
		"too large when inflated":            {zipped("s"), "gzip", "", zip(strings.Repeat(" ", 1<<20)), "", "", 413, "too_large"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kept, stored := &drawer{}, &pile{}
			url := serve(t, Options{Sources: []config.Source{test.source}, Publisher: stored, Rejecter: kept, MaxBody: 100_000})
			r := request(t, url+"/webhooks/s", test.sent, http.Header{
				"X-Polaris-Signature": {signatureOf(test.signed)}, "X-Token": {"the-token-of-the-tests"},
			})
			for name, value := range map[string]string{"Content-Encoding": test.encoding, "Content-Type": test.kind} {
				if value != "" {
					r.Header.Set(name, value)
				}
			}
			resp, body := do(t, r)
			if resp.StatusCode/100 != 2 && test.status/100 == 2 || resp.StatusCode != test.status && test.status != 202 {
				t.Fatalf("%d %s, want %d", resp.StatusCode, body, test.status)
			}
			found := kept.all()
			if test.stored == "" {
				if len(stored.events) != 0 || len(found) != 1 || found[0].Reason != test.reason || string(found[0].Body) != test.sent || found[0].NoBody {
					t.Fatalf("%d stored, kept %+v; want %s", len(stored.events), found, test.reason)
				}
				if accepts := resp.Header.Get("Accept-Encoding"); (accepts != "") != (test.status == 415) {
					t.Errorf("accepts %q", accepts)
				}
				return
			}
			if len(stored.events) != 1 || len(found) != 0 || string(stored.events[0].Body) != test.stored {
				t.Fatalf("stored %d, kept %d", len(stored.events), len(found))
			}
			if e := stored.events[0]; test.stored == event && e.Type != "thing.happened" || e.Header.Get("Content-Encoding") != "" {
				t.Errorf("stored as %s %v", e.Type, e.Header)
			}
		})
	}
}

// TestRefusedBodiesComeBack: what was refused for its encoding or its size is published once the setting is right.
func TestRefusedBodiesComeBack(t *testing.T) {
	t.Parallel()
	const event = `{"type":"thing.happened","id":"1"}`
	larger := plain("s")
	larger.MaxBody = 2 << 20
	for name, test := range map[string]struct {
		sent, encoding string
		then           config.Source
		stored         string
		still          string // the reason, if it can't be published
	}{
		"gzip":            {zip(event), "gzip", zipped("s"), event, ""},
		"still not taken": {zip(event), "gzip", plain("s"), "", "unsupported_encoding"},
		"deflate":         {deflated(t, event), "deflate", zipped("s"), "", "unsupported_encoding"},
		"too large":       {strings.Repeat(" ", 1<<20+1), "", larger, "", "no_body"}, // it has not been read
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kept, stored := &drawer{}, &pile{}
			var log logtest.Buffer
			url := serve(t, Options{
				Sources: []config.Source{plain("s")}, Publisher: stored, Rejecter: kept, MaxBody: 1 << 20, Log: slog.New(slog.NewTextHandler(&log, nil)),
			})
			r := signed(t, url+"/webhooks/s", event)
			sent := request(t, r.URL.String(), test.sent, r.Header)
			if test.encoding != "" {
				sent.Header.Set("Content-Encoding", test.encoding)
			}
			do(t, sent)
			all := kept.all()
			if len(all) != 1 {
				t.Fatalf("kept %d", len(all))
			}
			if !strings.Contains(log.String(), "webhook refused") || test.encoding == "gzip" && !strings.Contains(log.String(), "JETHOOK_SOURCE_S_GZIP=true") {
				t.Errorf("no word in the log: %s", log.String())
			}
			s, err := New(Options{Sources: []config.Source{test.then}, Publisher: stored, MaxBody: 1 << 20, Log: slog.New(slog.DiscardHandler), Now: time.Now})
			if err != nil {
				t.Fatal(err)
			}
			reason, err := s.Reverify(t.Context(), all[0])
			if err != nil || reason != test.still || len(stored.events) != 0 != (test.still == "") {
				t.Fatalf("%q, %v, %d stored", reason, err, len(stored.events))
			}
			if test.still == "" && string(stored.events[0].Body) != test.stored {
				t.Errorf("stored %q", stored.events[0].Body)
			}
		})
	}
}

// TestOlderRejectedBodies: earlier versions kept a compressed body inflated, with the header as it came.
func TestOlderRejectedBodies(t *testing.T) {
	t.Parallel()
	stored := &pile{}
	s, err := New(Options{Sources: []config.Source{zipped("s")}, Publisher: stored, MaxBody: 1 << 20, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	reason, err := s.Reverify(t.Context(), &quarantine.Request{
		Source: "s", Method: http.MethodPost, Received: time.Now(), Body: []byte("{}"),
		Header: http.Header{"Content-Encoding": {"gzip"}, "X-Polaris-Signature": {signatureOf("{}")}},
	})
	if reason != "" || err != nil || len(stored.events) != 1 {
		t.Errorf("%q, %v, %d stored", reason, err, len(stored.events))
	}
}
