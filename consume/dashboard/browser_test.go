package dashboard_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"jethook/config/logtest"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// sourceSecret verifies the source shop, and wrongSecret is what it is set to first.
const (
	sourceSecret = "whsec_c291cmNlLXNlY3JldC1vZi10aGUtdGVzdHM="
	wrongSecret  = "whsec_YW5vdGhlci1zZWNyZXQtb2YtdGhlLXRlc3Rz"
)

// bridge is the real binary, with a receiver that answers as it is told.
type bridge struct {
	t         *testing.T
	binary    string
	env       []string
	admin     string // address of its dashboard
	public    string
	out       logtest.Buffer
	stop      func()
	receiver  *httptest.Server
	answering atomic.Int32 // status of the receiver
}

// startBridge builds the binary and runs it.
func startBridge(t *testing.T) *bridge {
	t.Helper()
	b := &bridge{t: t, binary: filepath.Join(t.TempDir(), "jethook")}
	if out, err := exec.Command("go", "build", "-o", b.binary, "jethook/cmd/jethook").CombinedOutput(); err != nil {
		t.Fatalf("building jethook: %v\n%s", err, out)
	}
	b.answering.Store(http.StatusOK)
	b.receiver = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(int(b.answering.Load()))
		fmt.Fprint(w, `{"from":"the receiver"}`)
	}))
	t.Cleanup(b.receiver.Close)
	admin, public := freeAddress(t), freeAddress(t)
	b.admin, b.public = "http://"+admin, "http://"+public
	b.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "JETHOOK_ADMIN_TOKEN=" + adminToken, "JETHOOK_DATA_DIR=" + filepath.Join(t.TempDir(), "data"),
		"JETHOOK_LISTEN=" + public, "JETHOOK_ADMIN_LISTEN=" + admin, "JETHOOK_NATS_LISTEN=off", "JETHOOK_SYNC=2m", "JETHOOK_ALLOWED_NETWORKS=127.0.0.0/8",
		"JETHOOK_SOURCES=shop", "JETHOOK_SOURCE_SHOP_PROVIDER=standard-webhooks", "JETHOOK_RETRY_SCHEDULE=1h", "JETHOOK_PUBLIC_URL=https://hooks.example.com", "JETHOOK_ADMIN_HOSTS=" + plainHost,
	}
	b.run(wrongSecret)
	t.Cleanup(func() { b.stop() })
	return b
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// run runs the binary with a secret of the source until it is ready.
func (b *bridge) run(secret string) {
	b.t.Helper()
	cmd := exec.Command(b.binary, "serve")
	cmd.Env = append(b.env, "JETHOOK_SOURCE_SHOP_SECRET="+secret)
	cmd.Stdout, cmd.Stderr = &b.out, &b.out
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	var once sync.Once
	b.stop = func() {
		once.Do(func() {
			_ = cmd.Process.Signal(os.Interrupt)
			<-exited
		})
	}
	for deadline := time.Now().Add(patience); ; {
		if res, err := http.Get(b.admin + "/readyz"); err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("not ready: %s", b.out.String())
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// api asks the API.
func (b *bridge) api(method, path, body string) map[string]any {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), method, b.admin+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+adminToken)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	var answer map[string]any
	_ = json.NewDecoder(res.Body).Decode(&answer) // some answers have no body
	if res.StatusCode >= 300 {
		b.t.Fatalf("%s %s: %d %v", method, path, res.StatusCode, answer)
	}
	return answer
}

// addEndpoint adds an endpoint at the receiver, and returns its id.
func (b *bridge) addEndpoint(name, path, pattern string) string {
	b.t.Helper()
	return b.api("POST", "/api/v1/endpoints", fmt.Sprintf(`{"name":%q,"url":%q,"events":[%q]}`, name, b.receiver.URL+path, pattern))["id"].(string)
}

func (b *bridge) sendEvent(eventType, data string) {
	b.t.Helper()
	b.api("POST", "/api/v1/events", fmt.Sprintf(`{"type":%q,"data":%s}`, eventType, data))
}

// tab is a tab of a real browser, whose console is listened to.
type tab struct {
	t    *testing.T
	ctx  context.Context
	base string

	mu      sync.Mutex
	console []string
}

// browserFor is Chromium; the test is skipped where there is none.
func browserFor(t *testing.T) context.Context {
	t.Helper()
	var found string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			found = path
			break
		}
	}
	if found == "" {
		t.Skip("SKIPPED: there is no Chromium on this machine, so nothing was tested in a browser (apt-get install chromium)")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(found), chromedp.UserDataDir(profileDir(t)), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.NoFirstRun, chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("host-resolver-rules", "MAP "+plainHost+" 127.0.0.1"), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true), chromedp.Flag("hide-scrollbars", false))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, _ = chromedp.NewContext(ctx)
	t.Cleanup(func() { _ = chromedp.Cancel(ctx) }) // asks the browser to close, and waits until it has
	if err := chromedp.Run(ctx); err != nil {
		t.Fatalf("starting %s: %v", found, err)
	}
	return ctx
}

// profileDir is where the browser keeps its files. Its child processes may write for a moment after it has ended, so
// t.TempDir, which fails the test then, can't be used.
func profileDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "jethook-browser-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for until := time.Now().Add(patience); os.RemoveAll(dir) != nil && time.Now().Before(until); {
			time.Sleep(50 * time.Millisecond)
		}
	})
	return dir
}

// newTab opens a tab with cookies of its own.
func newTab(t *testing.T, browser context.Context, base string) *tab {
	t.Helper()
	via := cdp.WithExecutor(browser, chromedp.FromContext(browser).Browser)
	profile, err := target.CreateBrowserContext().Do(via)
	if err != nil {
		t.Fatal(err)
	}
	id, err := target.CreateTarget("about:blank").WithBrowserContextID(profile).WithNewWindow(true).Do(via)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithTargetID(id))
	t.Cleanup(cancel)
	b := &tab{t: t, ctx: ctx, base: base}
	chromedp.ListenTarget(ctx, func(event any) {
		b.mu.Lock()
		defer b.mu.Unlock()
		switch e := event.(type) {
		case *runtime.EventConsoleAPICalled:
			for _, arg := range e.Args {
				b.console = append(b.console, string(e.Type)+" "+string(arg.Value)+arg.Description)
			}
		case *runtime.EventExceptionThrown:
			b.console = append(b.console, e.ExceptionDetails.Error())
		case *cdplog.EventEntryAdded:
			b.console = append(b.console, fmt.Sprintf("%s %s: %s %s", e.Entry.Level, e.Entry.Source, e.Entry.Text, e.Entry.URL))
		}
	})
	b.do(chromedp.EmulateViewport(1280, 800))
	return b
}

// quietConsole fails if anything was written to the console.
func (b *tab) quietConsole() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, line := range b.console {
		b.t.Errorf("the console holds: %s", line)
	}
}

// patience is never waited out in a test that passes, however busy the machine is.
const patience = 3 * time.Minute

// do acts in the tab.
func (b *tab) do(actions ...chromedp.Action) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if b.ctx.Err() == nil && chromedp.FromContext(b.ctx).Target == nil { // the first run makes the tab, which must outlive it
		ctx = b.ctx
	}
	if err := chromedp.Run(ctx, actions...); err != nil {
		var where, text string
		_ = chromedp.Run(b.ctx, chromedp.Location(&where), chromedp.Evaluate(`document.body ? document.body.innerText.slice(0, 1500) : ""`, &text))
		b.t.Fatalf("%v\nat %s:\n%s", err, where, text)
	}
}

// open goes to a page. A navigation that is still under way, as after a form, can take this one with it: then it goes again.
func (b *tab) open(path string) {
	b.t.Helper()
	b.do(chromedp.ActionFunc(func(ctx context.Context) (err error) {
		for range 3 {
			if err = chromedp.Navigate(b.base + path).Do(ctx); err == nil || !strings.Contains(err.Error(), "ERR_ABORTED") {
				break
			}
		}
		return err
	}))
}

// wait waits until an expression is true. It asks again and again, as pages allow no code made of text.
func (b *tab) wait(expression string) {
	b.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(30 * time.Millisecond) {
		var ok bool
		err := chromedp.Run(b.ctx, chromedp.Evaluate(`!!(`+expression+`)`, &ok))
		if err == nil && ok {
			return
		}
		if time.Now().After(deadline) {
			var where, text string
			_ = chromedp.Run(b.ctx, chromedp.Location(&where), chromedp.Evaluate(`document.body.innerText.slice(0, 2000)`, &text))
			b.t.Fatalf("never: %s (%v)\nat %s:\n%s", expression, err, where, text)
		}
	}
}

// shows waits until the page shows a text.
func (b *tab) shows(text string) {
	b.t.Helper()
	quoted, _ := json.Marshal(text)
	b.wait(`document.body && document.body.innerText.includes(` + string(quoted) + `)`)
}

// reloadUntil opens a page until it shows a text, as people do where nothing comes by itself.
func (b *tab) reloadUntil(path, text string) {
	b.t.Helper()
	var shown string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		b.open(path)
		if shown = b.eval(`document.body.innerText`); strings.Contains(shown, text) {
			return
		}
	}
	b.t.Fatalf("%s never shows %q:\n%s", path, text, shown)
}

// press clicks the button or link with a text.
func (b *tab) press(text string) {
	b.t.Helper()
	b.do(chromedp.Click(fmt.Sprintf(`//main//*[self::button or self::a][contains(normalize-space(.), %q)]`, text), chromedp.BySearch, chromedp.NodeVisible))
}

func (b *tab) write(selector, text string) {
	b.t.Helper()
	b.do(chromedp.SendKeys(selector, text, chromedp.ByQuery, chromedp.NodeVisible))
}

// set puts a value into a field, as typing would.
func (b *tab) set(selector, value string) {
	b.t.Helper()
	quoted, _ := json.Marshal([]string{selector, value})
	b.do(chromedp.Evaluate(`(([selector, value]) => { const e = document.querySelector(selector); e.value = value; e.dispatchEvent(new Event("input", { bubbles: true })); })(`+string(quoted)+`)`, nil))
}

func (b *tab) check(selector string) {
	b.t.Helper()
	b.do(chromedp.Click(selector, chromedp.ByQuery, chromedp.NodeVisible))
}

func (b *tab) signIn() {
	b.t.Helper()
	b.open("/login")
	b.write(`input[name=token]`, adminToken)
	b.do(chromedp.Click(`.login button`, chromedp.ByQuery))
	b.shows("Sign out")
}

func (b *tab) eval(expression string) string {
	b.t.Helper()
	var v string
	b.do(chromedp.Evaluate(expression, &v))
	return v
}

// The journeys of an operator, in a real browser on the real binary.
func TestJourneys(t *testing.T) {
	t.Parallel()
	browser := browserFor(t)
	b := startBridge(t)
	b.refuse()
	journey := func(name string, f func(t *testing.T, b *tab)) {
		t.Run(name, func(t *testing.T) {
			one := newTab(t, browser, b.admin)
			f(t, one)
			one.quietConsole()
		})
	}
	journey("sign in by link", b.signInByLink)
	journey("add an endpoint", b.addByHand)
	journey("watch a delivery", b.watchDelivery)
	journey("retry a filter", b.retryFilter)
	journey("disable, enable, recover", b.disableAndRecover)
	journey("replay the dead", b.replayDead)
	journey("by keyboard", b.byKeyboard)
	journey("pause while something is selected", b.pauseLive)
	journey("copy without a secure context", b.copyOnPlainHTTP)
	journey("a large body", b.largeBody)
	journey("without JavaScript", b.withoutScript)
	journey("every page for everyone", b.forEveryone)
	journey("mend a refused request", b.mendRefused)
}

func (b *bridge) signInByLink(t *testing.T, page *tab) {
	cmd := exec.Command(b.binary, "dashboard", "--no-open", "--admin", b.admin)
	cmd.Env = b.env
	out, err := cmd.CombinedOutput()
	_, link, found := strings.Cut(string(out), "/login?link=")
	if err != nil || !found {
		t.Fatalf("%v: %s", err, out)
	}
	page.open("/login?link=" + strings.Fields(link)[0])
	page.shows("Sign out")
	page.press("Add an endpoint")
	page.shows("What it would get")
}

// addByHand adds an endpoint with events that are picked from what was seen.
func (b *bridge) addByHand(_ *testing.T, page *tab) {
	b.sendEvent("order.created", `{"n":1}`)
	b.sendEvent("order.paid", `{"n":2}`)
	b.sendEvent("user.added", `{"n":3}`)
	page.signIn()
	page.open("/endpoints/new")
	page.write(`input[name=name]`, "billing")
	page.write(`input[name=url]`, "https://hooks.slack.com/services/T0/B0/x")
	page.shows("it gets slack messages")
	page.set(`input[name=url]`, "")
	page.write(`input[name=url]`, b.receiver.URL+"/billing")
	page.check(`input[value="events.order.>"]`)
	page.shows("Matches 2 of the last 3 events")
	page.shows("Webhook-Signature")
	page.press("Add the endpoint")
	page.shows("The endpoint is added")
	page.press("Test")
	page.press("Send the test")
	page.shows("Accepted")
}

// watchDelivery sends an event, and sees it fail, wait and then succeed, live; a pause holds the page as it is.
func (b *bridge) watchDelivery(t *testing.T, page *tab) {
	b.answering.Store(http.StatusServiceUnavailable)
	page.signIn()
	page.open("/send")
	page.write(`input[name=type]`, "order.created")
	page.shows("billing")
	page.write(`textarea[name=data]`, `{"amount": tru`)
	page.shows("Line 1, column")
	page.set(`textarea[name=data]`, `{"amount": 1.10}`)
	page.do(chromedp.Click(`button[value=send]`, chromedp.ByQuery))
	page.shows("waiting 503")
	b.answering.Store(http.StatusOK)
	id := b.first("/api/v1/deliveries", "id")
	b.api("POST", "/api/v1/deliveries/"+url.PathEscape(id)+"/retry", "")
	page.shows("delivered 200") // it is not loaded again
	page.open("/deliveries")
	page.wait(`document.querySelector("#livestate").textContent == "Live"`)
	page.do(chromedp.Click(`#live`, chromedp.ByQuery))
	page.wait(`document.querySelector("#livestate").textContent == "Paused"`)
	page.do(chromedp.Click(`#live`, chromedp.ByQuery))
	page.wait(`document.querySelector("#livestate").textContent == "Live"`)
	if n := page.eval(`String(document.querySelectorAll("#main tr[data-row]").length)`); n != "1" {
		t.Errorf("%s deliveries", n)
	}
}

// retryFilter filters, opens the address in a second browser, and retries all that the filter chooses.
func (b *bridge) retryFilter(t *testing.T, page *tab) {
	id := b.addEndpoint("crm", "/crm", "events.lead.>")
	b.api("PATCH", "/api/v1/endpoints/"+id, `{"retry_schedule":["1h"]}`)
	b.answering.Store(http.StatusBadGateway)
	for i := range 4 {
		b.sendEvent("lead.new", fmt.Sprintf(`{"n":%d}`, i))
	}
	page.signIn()
	page.open("/deliveries")
	page.set(`select[name=status]`, "waiting")
	page.set(`input[name=type]`, "lead.*")
	page.press("Filter")
	page.wait(`document.querySelectorAll("#main tr[data-row]").length == 4`)
	address := page.eval(`location.pathname + location.search`)
	second := newTab(t, page.ctx, b.admin)
	second.open(address)
	second.write(`input[name=token]`, adminToken)
	second.do(chromedp.Click(`.login button`, chromedp.ByQuery))
	second.wait(`document.querySelectorAll("#main tr[data-row]").length == 4 && location.search.includes("lead")`)
	second.quietConsole()
	b.answering.Store(http.StatusOK)
	page.press("Retry all of this filter")
	page.shows("Retry 4 deliveries?")
	page.press("Retry 4 deliveries")
	page.shows("4 of 4 done. Finished.")
	page.do(chromedp.Reload()) // its progress belongs to the server, and everyone sees it
	page.shows("4 of 4 done. Finished.")
	second.open("/")
	second.shows("Retrying 4 deliveries")
	page.do(chromedp.Click(`#jobs button`, chromedp.ByQuery, chromedp.NodeVisible)) // it is put away
	page.wait(`!document.body.innerText.includes("Finished.")`)
	page.open("/deliveries?status=delivered&type=lead.*")
	page.wait(`document.querySelectorAll("#main tr[data-row]").length == 4`)
}

func (b *bridge) disableAndRecover(_ *testing.T, page *tab) {
	id := b.addEndpoint("stock", "/stock", "events.item.>")
	page.signIn()
	page.open("/endpoints/" + id)
	page.press("Disable")
	page.shows("Disable stock?")
	page.press("Disable it")
	page.shows("It is disabled and gets nothing")
	b.sendEvent("item.sold", `{"n":1}`)
	page.press("Enable it")
	page.shows("It is enabled")
	page.press("Recover")
	page.press("Count first")
	page.shows("would be redelivered")
	page.press("Recover 1 delivery")
	page.shows("Recovery done")
	page.open("/deliveries?status=delivered&type=item.*")
	page.wait(`document.querySelectorAll("#main tr[data-row]").length == 1`)
}

func (b *bridge) replayDead(_ *testing.T, page *tab) {
	id := b.addEndpoint("mail", "/mail", "events.mail.>")
	b.api("PATCH", "/api/v1/endpoints/"+id, `{"retry_schedule":[]}`)
	b.answering.Store(http.StatusInternalServerError)
	b.sendEvent("mail.bounced", `{"n":1}`)
	page.signIn()
	page.open("/dead")
	page.shows("mail.bounced") // it comes by itself
	b.answering.Store(http.StatusOK)
	page.check(`#main tbody input[type=checkbox]`)
	page.shows("1 selected")
	page.press("Replay selected")
	page.press("Replay 1 dead letter")
	page.shows("Finished.")
	page.shows("There are no dead letters")
}

// withoutScript reads every page, adds an endpoint and retries, with JavaScript turned off.
func (b *bridge) withoutScript(t *testing.T, page *tab) {
	page.do(emulation.SetScriptExecutionDisabled(true))
	page.signIn()
	for _, path := range b.pages() {
		page.open(path)
		if title := page.eval(`document.querySelector("h1").textContent`); title == "" || strings.Contains(title, "There is no such page") {
			t.Errorf("%s: %q", path, title)
		}
	}
	page.open("/endpoints/new")
	page.write(`input[name=name]`, "without")
	page.write(`input[name=url]`, b.receiver.URL+"/without")
	page.write(`textarea[name=events]`, "events.plain.*")
	page.press("Preview")
	page.shows("Webhook-Signature")
	page.check(`#more-fields summary`)
	page.write(`input[name=retry_schedule]`, "1h")
	page.press("Add the endpoint")
	page.shows("The endpoint is added")
	b.answering.Store(http.StatusServiceUnavailable)
	b.sendEvent("plain.one", `{}`)
	page.reloadUntil("/deliveries?type=plain.*", "waiting 503")
	b.answering.Store(http.StatusOK)
	page.check(`#main tbody input[type=checkbox]`)
	page.press("Retry selected")
	page.press("Retry 1 delivery")
	page.shows("Retrying 1 delivery")
	page.reloadUntil("/deliveries?type=plain.*", "delivered 200")
}

// first is a field of the newest of a list, or of its first.
func (b *bridge) first(list, field string) string {
	b.t.Helper()
	return b.api("GET", list, "")["items"].([]any)[0].(map[string]any)[field].(string)
}

// pages are the addresses of every page, with something on it.
func (b *bridge) pages() []string {
	b.t.Helper()
	ep := "/endpoints/" + b.first("/api/v1/endpoints", "id")
	event := "/events/" + url.PathEscape(b.first("/api/v1/events", "id"))
	refused := "/sources/shop/rejected/" + b.first("/api/v1/sources/shop/rejected", "id")
	return []string{
		"/", "/sources", "/sources/shop", "/sources/shop/sample", refused, "/endpoints", "/endpoints/new", ep, ep + "/edit", ep + "/test", ep + "/recover",
		"/deliveries", "/deliveries/" + url.PathEscape(b.first("/api/v1/deliveries", "id")), "/events", event, event + "/text", "/dead", "/send", "/audit",
	}
}

// mendRefused lets a source whose secret was wrong verify again what it refused.
func (b *bridge) mendRefused(t *testing.T, page *tab) {
	body := []byte(`{"type":"cart.left"}`)
	req, _ := http.NewRequestWithContext(t.Context(), "POST", b.public+"/webhooks/shop", bytes.NewReader(body))
	hook, err := standardwebhooks.NewWebhook(sourceSecret)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	signature, err := hook.Sign("msg_1", now, body)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"webhook-id": "msg_1", "webhook-timestamp": strconv.FormatInt(now.Unix(), 10), "webhook-signature": signature} {
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusUnauthorized {
		t.Fatalf("the request was not refused: %d", res.StatusCode)
	}
	b.stop()
	b.run(sourceSecret)
	page.signIn()
	page.open("/sources/shop")
	page.shows("does not match")
	page.press("Verify all")
	page.press("Verify again")
	page.shows("inish")
	page.open("/events?subject=webhooks.shop.%3E")
	page.shows("cart.left")
	// The command that the page of a sample shows is taken.
	page.open("/sources/shop/sample")
	command := strings.ReplaceAll(page.eval(`document.querySelector("#curl").textContent`), "https://hooks.example.com", b.public)
	out, err := exec.Command("sh", "-c", command+" --silent").CombinedOutput()
	if err != nil || !strings.Contains(string(out), " 200 ") && !strings.Contains(string(out), " 202 ") {
		t.Errorf("%s: %v: %s", command, err, out)
	}
	page.open("/sources/shop")
	page.shows("jethook.sample")
}
