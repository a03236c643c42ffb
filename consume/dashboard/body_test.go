package dashboard_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

// largeJSON is a body of a megabyte with numbers and keys that must stay as they are, whose parts differ.
func largeJSON() []byte {
	var b bytes.Buffer
	noise := rand.New(rand.NewPCG(1, 2))
	b.WriteString(`{"items":[`)
	for i := 0; b.Len() < 1<<20; i++ {
		fmt.Fprintf(&b, `{"n":%d.10,"\u003cid\u003e":"%016x%016x"},`, uint64(9007199254740993)+uint64(i), noise.Uint64(), noise.Uint64())
	}
	b.WriteString(`{"last":12345678901234567890.10}]}`)
	return b.Bytes()
}

var wholePart = regexp.MustCompile(`(?s)<pre>\n(.*?)</pre>`)

// wholeText is the text of the page that shows a body alone.
func wholeText(page string) string {
	var b strings.Builder
	for _, m := range wholePart.FindAllStringSubmatch(page, -1) {
		b.WriteString(m[1])
	}
	return html.UnescapeString(b.String())
}

// A body of a megabyte is shown whole, laid out and as it came, on a page of its own; other pages show its beginning.
func TestLargeBodies(t *testing.T) {
	t.Parallel()
	r := start(t)
	body := largeJSON()
	r.publish("order.large", "evt_1", body)
	b := r.signedIn(readToken)
	holds(t, b.page("/events/evt_1"), "the first 16.0 KiB", `\u003cid\u003e&#34;: &#34;`, "Show the whole body", "9007199254740993.10")
	var want bytes.Buffer
	if err := json.Indent(&want, body, "", "  "); err != nil {
		t.Fatal(err)
	}
	if got := wholeText(b.page("/events/evt_1/text")); got != want.String() {
		t.Errorf("laid out: %d bytes of %d, ending in %.100q", len(got), want.Len(), got[max(0, len(got)-100):])
	}
	page := b.page("/events/evt_1/text?as=raw")
	if got := wholeText(page); got != string(body) {
		t.Errorf("as it came: %d bytes of %d", len(got), len(body))
	}
	if longest := len(longestPart(page)); longest > 64<<10 {
		t.Errorf("a browser has to lay out %d bytes at once", longest)
	}
	r.publish("order.text", "evt_2", []byte("no <b>JSON</b>\n\nand two lines"))
	page = b.page("/events/evt_2/text")
	if got := wholeText(page); got != "no <b>JSON</b>\n\nand two lines" || strings.Contains(page, "Laid out") {
		t.Errorf("text: %q", got)
	}
}

func longestPart(page string) (longest string) {
	for _, m := range wholePart.FindAllStringSubmatch(page, -1) {
		if len(m[1]) > len(longest) {
			longest = m[1]
		}
	}
	return longest
}
