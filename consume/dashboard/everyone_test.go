package dashboard_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// plainHost is a name by which the browser finds the dashboard, and that gives no page a secure context.
const plainHost = "jethook.test"

// refuse sends a request that the source shop refuses.
func (b *bridge) refuse() {
	b.t.Helper()
	res, err := http.Post(b.public+"/webhooks/shop", "application/json", strings.NewReader(`{"type":"cart.left"}`))
	if err != nil {
		b.t.Fatal(err)
	}
	res.Body.Close()
}

// forEveryone opens every page, and holds it against what people with poor eyes, small screens or a printer need.
func (b *bridge) forEveryone(t *testing.T, tab *tab) {
	script, err := os.ReadFile("testdata/axe/axe.min.js")
	if err != nil {
		t.Fatal(err)
	}
	b.api("POST", "/api/v1/endpoints", fmt.Sprintf(`{"name":"certified","url":%q,"events":["events.none"],"signature":{"like":"stripe"}}`, b.receiver.URL))
	tab.open("/login")
	tab.holds(t, "/login", string(script))
	tab.signIn()
	paths := b.pages()
	visits(t, append(paths, "/jobs", "/events/x/body")) // a part, and a file
	for _, path := range append(paths, "/no/such/page") {
		tab.open(path)
		tab.holds(t, path, string(script))
	}
	// Pages that come of a form.
	id := strings.TrimPrefix(paths[7], "/endpoints/")
	for button, text := range map[string]string{"Disable": "Disable it", "Reveal": "The secret", "Remove": "to continue"} {
		tab.open("/endpoints/" + id)
		tab.press(button)
		tab.shows(text)
		tab.holds(t, "the page of "+button, string(script))
	}
	tab.mu.Lock()
	defer tab.mu.Unlock()
	tab.console = nil // the page that is not there is told of there
}

// holds fails if the page that is open keeps somebody from using it.
func (b *tab) holds(t *testing.T, path, axe string) {
	t.Helper()
	b.do(chromedp.Evaluate(axe+`; 0`, nil))
	for theme, options := range map[string]string{"light": `{resultTypes: ["violations"]}`, "dark": `{runOnly: ["color-contrast"], resultTypes: ["violations"]}`} {
		b.do(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}, {Name: "prefers-reduced-motion", Value: "reduce"}}))
		var found string
		b.do(chromedp.Evaluate(`axe.run(`+options+`).then(r => r.violations.filter(v => v.impact == "serious" || v.impact == "critical").map(v => v.id + ": " + v.help + ": " + v.nodes.slice(0, 3).map(n => n.html + " " + n.failureSummary).join(" | ")).join("\n"))`,
			&found, func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
		if found != "" {
			t.Errorf("%s in %s: %s", path, theme, found)
		}
	}
	// 320 px is what is left of 1280 at a zoom of 400 %, and 640 at 200 %.
	for _, width := range []int64{320, 640} {
		b.do(chromedp.EmulateViewport(width, 600))
		if wide := b.eval(`((e) => e.scrollWidth > e.clientWidth ? String(e.scrollWidth) + " px: " + ` + widest + ` : "")(document.documentElement)`); wide != "" {
			t.Errorf("%s scrolls sideways at %d px: %s", path, width, wide)
		}
	}
	b.do(chromedp.EmulateViewport(1280, 800), emulation.SetEmulatedMedia().WithMedia("print"))
	if left := b.eval(`Array.from(document.querySelectorAll(".top, .filters, .bulkbar, footer, button")).filter(e => e.checkVisibility()).map(e => e.outerHTML.slice(0, 80)).join(" ")`); left != "" {
		t.Errorf("%s prints what is of no use on paper: %s", path, left)
	}
	if dim := b.eval(`getComputedStyle(document.body).color + getComputedStyle(document.body).backgroundColor`); dim != "rgb(0, 0, 0)rgb(255, 255, 255)" {
		t.Errorf("%s prints in %s", path, dim)
	}
	b.do(emulation.SetEmulatedMedia().WithMedia(""))
}

// widest names the elements that reach beyond the page.
const widest = `Array.from(document.querySelectorAll("main *, header *")).filter(e => e.getBoundingClientRect().right > innerWidth + 1).slice(-3).map(e => e.outerHTML.slice(0, 90)).join(" ")`

// byKeyboard finds a delivery, selects it, and retries it, without a mouse.
func (b *bridge) byKeyboard(t *testing.T, tab *tab) {
	id := b.addEndpoint("keys", "/keys", "events.key.>")
	b.api("PATCH", "/api/v1/endpoints/"+id, `{"retry_schedule":["1h"]}`)
	b.answering.Store(http.StatusBadGateway)
	for i := range 3 {
		b.sendEvent("key.pressed", fmt.Sprintf(`{"n":%d}`, i))
	}
	tab.signIn()
	tab.open("/deliveries?type=key.*&status=waiting")
	tab.wait(`document.querySelectorAll("#main tr[data-row]").length == 3`)
	b.answering.Store(http.StatusOK)
	row := `Array.from(document.querySelectorAll("#main tr[data-row]")).findIndex(r => r.contains(document.activeElement))`
	for _, step := range []struct{ key, then string }{
		{"/", `document.activeElement.closest(".filters")`},
		{kb.Escape, `!document.activeElement.closest(".filters")`},
		{"j", row + " == 0"},
		{"j", row + " == 1"},
		{"j", row + " == 2"},
		{"j", row + " == 2"},
		{"k", row + " == 1"},
		{"x", `document.querySelectorAll("#main tbody input:checked").length == 1 && document.querySelector("[data-selected]").textContent == "1 selected"`},
		{"x", `document.querySelectorAll("#main tbody input:checked").length == 0`},
		{"?", `document.querySelector("#help").open`},
		{kb.Escape, `!document.querySelector("#help").open`},
		{"k", row + " == 0"},
		{"r", `document.querySelector("h1").textContent == "Retry 1 delivery?" && document.activeElement.matches(".go button")`},
		{kb.Enter, `document.body.innerText.includes("Retrying 1 delivery")`},
	} {
		tab.do(chromedp.KeyEvent(step.key))
		tab.wait(step.then)
	}
	tab.open("/deliveries?type=key.*&status=delivered")
	tab.wait(`document.querySelectorAll("#main tr[data-row]").length == 1`)
}

// pauseLive selects a row of a live page, which then asks for nothing and moves nothing until it is let go.
func (b *bridge) pauseLive(t *testing.T, tab *tab) {
	tab.signIn()
	tab.open("/deliveries?type=key.*")
	tab.wait(`document.querySelectorAll("#main tr[data-row]").length == 3`)
	tab.do(chromedp.Evaluate(`window.asked = 0; document.body.addEventListener("htmx:beforeRequest", (e) => { if (e.target.id == "main") window.asked++; })`, nil))
	ask := func() { // as if the tab came back into view, at which it asks at once
		tab.do(chromedp.Evaluate(`document.dispatchEvent(new Event("visibilitychange"))`, nil))
	}
	for _, held := range []struct{ begin, says, end string }{
		{`document.querySelector("#main tbody input").click()`, "Paused: selected", `document.querySelector("#main tbody input").click()`},
		{`getSelection().selectAllChildren(document.querySelector("#main td.w"))`, "Paused: selected text", `getSelection().removeAllRanges()`},
		{`document.querySelector("#main .filters input").focus()`, "Paused: typing", `document.activeElement.blur()`},
		{`document.querySelector("#main tbody a").focus()`, "Paused: reading", `document.activeElement.blur()`},
	} {
		tab.do(chromedp.Evaluate(held.begin+"; 0", nil))
		tab.wait(`document.querySelector("#livestate").textContent == "` + held.says + `"`)
		before := tab.eval(`String(window.asked)`)
		ask()
		if after := tab.eval(`String(window.asked)`); after != before {
			t.Errorf("%s: it asks", held.says)
		}
		tab.do(chromedp.Evaluate(held.end+`; document.dispatchEvent(new Event("selectionchange")); 0`, nil))
		tab.wait(`document.querySelector("#livestate").textContent == "Live"`)
	}
	tab.do(chromedp.Evaluate(`Object.defineProperty(document, "hidden", { configurable: true, get: () => true }); window.before = window.asked`, nil))
	ask()
	if asked := tab.eval(`String(window.asked - window.before)`); asked != "0" {
		t.Errorf("out of view it asked %s times", asked)
	}
	// What is the same stays where it is when the page is asked for again.
	tab.do(chromedp.Evaluate(`delete document.hidden; window.moved = 0;
		new PerformanceObserver((list) => list.getEntries().forEach((e) => { window.moved += e.value; })).observe({ type: "layout-shift" });
		window.settled = 0; document.body.addEventListener("htmx:afterSettle", () => window.settled++); 0`, nil))
	ask()
	tab.wait(`window.settled > 0`)
	if moved := tab.eval(`String(window.moved > 0.001 ? window.moved : 0)`); moved != "0" { // an age that grows by a digit is less
		t.Errorf("the page jumps by %s", moved)
	}
	if told := tab.eval(`((time) => time.title + "|" + time.getAttribute("aria-label"))(document.querySelector("#main time"))`); strings.Count(told, "UTC)") != 2 || !strings.Contains(told, " ago, ") {
		t.Errorf("a time tells %q", told)
	}
	b.sendEvent("key.late", `{}`)
	tab.wait(`document.dispatchEvent(new Event("visibilitychange")), document.querySelectorAll("#main tr[data-row]").length == 4`)
}

// copyOnPlainHTTP copies where browsers give pages no clipboard.
func (b *bridge) copyOnPlainHTTP(t *testing.T, tab *tab) {
	tab.base = strings.Replace(b.admin, "127.0.0.1", plainHost, 1)
	tab.signIn()
	tab.open("/sources/shop")
	if secure := tab.eval(`String(isSecureContext)`); secure != "false" {
		t.Fatalf("the context is secure: %s", secure)
	}
	tab.do(chromedp.Evaluate(`document.addEventListener("copy", () => { window.copied = document.activeElement.value; })`, nil))
	tab.press("Copy")
	tab.wait(`document.querySelector("[data-copy]").textContent == "Copied"`)
	if copied := tab.eval(`String(window.copied)`); copied != "https://hooks.example.com/webhooks/shop" {
		t.Errorf("copied %q", copied)
	}
	if focus := tab.eval(`document.activeElement.dataset.copy || ""`); focus != "address" {
		t.Errorf("the focus is lost to %q", focus)
	}
}

// largeBody opens a body of a megabyte: what is out of view is not laid out.
func (b *bridge) largeBody(t *testing.T, tab *tab) {
	b.api("POST", "/api/v1/events", `{"id":"evt_large","type":"body.large","data":`+string(largeJSON())+`}`)
	tab.signIn()
	tab.open("/events/evt_large")
	tab.press("Show the whole body")
	tab.wait(`document.readyState == "complete" && document.querySelectorAll("#whole pre").length > 100`)
	if seen := tab.eval(`((parts) => [parts[0], parts[parts.length - 1]].map(e => e.checkVisibility({ contentVisibilityAuto: true }) && e.getBoundingClientRect().top < 2 * innerHeight).join())(document.querySelectorAll("#whole pre"))`); seen != "true,false" {
		t.Errorf("in view: %s", seen)
	}
	text := tab.eval(`document.querySelector("#whole").textContent`)
	if !strings.Contains(text, `"n": 9007199254740993.10`) || !strings.HasSuffix(strings.TrimSpace(text), "12345678901234567890.10\n    }\n  ]\n}") {
		t.Errorf("%d bytes, ending in %q", len(text), text[max(0, len(text)-100):])
	}
	tab.press("As received")
	tab.wait(`location.search == "?as=raw" && document.querySelectorAll("#whole pre").length > 50`)
	var paper []byte
	tab.do(chromedp.Navigate(b.admin+"/deliveries"), chromedp.ActionFunc(func(ctx context.Context) (err error) {
		paper, _, err = page.PrintToPDF().Do(ctx)
		return err
	}))
	if !bytes.HasPrefix(paper, []byte("%PDF")) {
		t.Error("the list does not print")
	}
}
