package dashboard_test

import (
	"bytes"
	"cmp"
	"context"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

var screenshots = flag.String("screenshots", "", "directory that TestScreenshots writes pictures of every page to; the README's are among them")

// pictures are those of the README: their page, by name.
var pictures = map[string]string{"overview": "/", "deliveries": "/deliveries", "endpoint": "/endpoints/new"}

// Pictures of every page at three widths in both themes, empty and full:
//
//	go test ./consume/dashboard -run Screenshots -screenshots DIR
//
// DIR/readme holds the README's, which lie in consume/dashboard/pictures.
func TestScreenshots(t *testing.T) {
	if *screenshots == "" {
		t.Skip("SKIPPED: no directory is given by -screenshots")
	}
	browser := browserFor(t)
	b := startBridge(t)
	tab := newTab(t, browser, b.admin)
	tab.signIn()
	tab.shoot("empty", []string{"/", "/sources", "/endpoints", "/endpoints/new", "/deliveries", "/events", "/dead", "/send"})
	b.populate(tab)
	tab.shoot("full", append(b.pages(), "/no/such/page"))
	tab.shoot("open", []string{"/endpoints/new"}, `document.querySelectorAll("details").forEach((d) => { d.open = true; })`,
		`document.querySelectorAll("select[name$=scheme]").forEach((s, i) => { s.value = ["hmac", "bearer"][i]; })`, `document.querySelector("[name=own][value=yes]").checked = true`)
	tab.forReadme()
}

// populate makes what a page shows on a day with some trouble.
func (b *bridge) populate(tab *tab) {
	billing := b.addEndpoint("Billing", "/billing", "events.order.>")
	b.addEndpoint("CRM", "/crm", "events.user.*")
	b.addEndpoint("Warehouse", "/warehouse", "events.order.paid")
	down := b.addEndpoint("Legacy ERP", "/erp", "events.invoice.>")
	b.api("PATCH", "/api/v1/endpoints/"+down, `{"retry_schedule":["5m","30m","2h"]}`)
	mail := b.addEndpoint("Mail", "/mail", "events.mail.>")
	b.api("PATCH", "/api/v1/endpoints/"+mail, `{"retry_schedule":[]}`)
	for i := range 12 {
		b.sendEvent("order.created", fmt.Sprintf(`{"order":%d,"amount":"%d.90","currency":"EUR"}`, 1000+i, 20+i*7))
		b.sendEvent("order.paid", fmt.Sprintf(`{"order":%d,"method":"card"}`, 1000+i))
		b.sendEvent("user.added", fmt.Sprintf(`{"user":%d}`, i))
	}
	tab.open("/deliveries?status=delivered")
	tab.wait(`document.querySelectorAll("#main tr[data-row]").length >= 40`)
	b.answering.Store(http.StatusServiceUnavailable)
	for i := range 5 {
		b.sendEvent("invoice.due", fmt.Sprintf(`{"invoice":"2026-%03d"}`, i))
		b.sendEvent("mail.bounced", fmt.Sprintf(`{"mail":%d}`, i))
	}
	tab.open("/dead")
	tab.wait(`document.querySelectorAll("#main tr[data-row]").length == 5`)
	b.answering.Store(http.StatusOK)
	for range 3 {
		if res, err := http.Post(b.public+"/webhooks/shop", "application/json", strings.NewReader(`{"type":"cart.left"}`)); err == nil {
			res.Body.Close()
		}
	}
	b.api("POST", "/api/v1/endpoints/"+billing+"/rotate", `{}`)
}

// shoot takes pictures of pages, whole, after it has run some statements there.
func (b *tab) shoot(kind string, paths []string, statements ...string) {
	b.t.Helper()
	for _, theme := range []string{"light", "dark"} {
		b.do(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}}))
		for _, width := range []int64{390, 1280, 2560} {
			for i, path := range paths {
				b.do(chromedp.EmulateViewport(width, 800))
				b.open(path)
				for _, statement := range statements {
					b.do(chromedp.Evaluate(statement+"; true", nil))
				}
				var shot []byte
				b.do(chromedp.FullScreenshot(&shot, 100))
				name := fmt.Sprintf("%s-%s-%d-%02d%s.png", kind, theme, width, i, strings.ReplaceAll(cmp.Or(strings.TrimSuffix(path, "/"), "/overview"), "/", "-"))
				b.keep(name, shot)
			}
		}
	}
}

func (b *tab) keep(name string, content []byte) {
	b.t.Helper()
	file := filepath.Join(*screenshots, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(file, content, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// forReadme takes the README's pictures: small ones, of few colors.
func (b *tab) forReadme() {
	b.t.Helper()
	b.do(chromedp.EmulateViewport(1200, 720))
	total := 0
	for name, path := range pictures {
		theme := "light"
		if name == "deliveries" {
			theme = "dark"
		}
		b.do(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}}))
		b.open(path)
		if name == "endpoint" {
			b.write(`input[name=name]`, "Billing")
			b.write(`input[name=url]`, "https://billing.example.com/hooks")
			b.check(`input[value="events.order.>"]`)
			b.shows("Matches 24 of the last")
			b.shows("Webhook-Signature")
		}
		var shot []byte
		b.do(chromedp.ActionFunc(func(ctx context.Context) (err error) {
			shot, err = page.CaptureScreenshot().Do(ctx)
			return err
		}))
		small, err := fewColors(shot)
		if err != nil {
			b.t.Fatal(err)
		}
		total += len(small)
		b.keep("readme/"+name+".png", small)
	}
	if total > 200_000 {
		b.t.Errorf("the pictures weigh %d bytes", total)
	}
}

// fewColors writes a picture again with its most frequent colors alone.
func fewColors(shot []byte) ([]byte, error) {
	full, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		return nil, err
	}
	counts := map[color.RGBA]int{}
	bounds := full.Bounds()
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			counts[color.RGBAModel.Convert(full.At(x, y)).(color.RGBA)]++
		}
	}
	var palette color.Palette
	for c := range counts {
		palette = append(palette, c)
	}
	slices.SortFunc(palette, func(a, b color.Color) int { return counts[b.(color.RGBA)] - counts[a.(color.RGBA)] })
	palette = palette[:min(len(palette), 160)]
	nearest := map[color.RGBA]uint8{}
	out := image.NewPaletted(bounds, palette)
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			c := color.RGBAModel.Convert(full.At(x, y)).(color.RGBA)
			i, ok := nearest[c]
			if !ok {
				i = uint8(palette.Index(c))
				nearest[c] = i
			}
			out.SetColorIndex(x, y, i)
		}
	}
	var b bytes.Buffer
	err = (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, out)
	return b.Bytes(), err
}
