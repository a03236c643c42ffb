// Package assets holds the files that pages load: style, scripts, icon and licences. They are pinned and served from here alone.
// htmx 2.0.11 and idiomorph 0.7.4 are the minified files of their npm packages, unchanged, each with its licence beside it.
package assets

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"path"
	"strings"
)

//go:embed app.css app.js icon.svg htmx idiomorph
var files embed.FS

// file is one asset, under an address that changes with its content, so that browsers keep it.
type file struct {
	content     []byte
	contentType string
	tag         string
}

// Files are the assets by name. What is below login/ is served before the login too.
type Files map[string]file

var names = map[string]string{
	"login/app.css":          "app.css",
	"login/icon.svg":         "icon.svg",
	"htmx.min.js":            "htmx/htmx.min.js",
	"idiomorph-ext.min.js":   "idiomorph/idiomorph-ext.min.js",
	"app.js":                 "app.js",
	"licenses/htmx.txt":      "htmx/LICENSE",
	"licenses/idiomorph.txt": "idiomorph/LICENSE",
}

var contentTypes = map[string]string{
	".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml", ".txt": "text/plain; charset=utf-8",
}

// Load returns the assets.
func Load() Files {
	all := make(Files)
	for name, source := range names {
		content, err := files.ReadFile(source)
		if err != nil {
			panic(err) // it is embedded
		}
		sum := sha256.Sum256(content)
		all[name] = file{content, contentTypes[path.Ext(name)], hex.EncodeToString(sum[:6])}
	}
	return all
}

// Path is the address of a file, below the base path. It panics for a name that is none.
func (f Files) Path(name string) string {
	a, ok := f[name]
	if !ok {
		panic("no asset " + name)
	}
	return "/assets/" + name + "?v=" + a.tag
}

// ServeHTTP serves the file that the path value "name" names.
func (f Files) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a, ok := f[r.PathValue("name")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", a.contentType)
	if r.URL.Query().Get("v") == a.tag { // it is the same for ever, and holds nothing of anybody
		h.Set("Cache-Control", "private, max-age=31536000, immutable")
	}
	h.Set("ETag", `"`+a.tag+`"`)
	if strings.Contains(r.Header.Get("If-None-Match"), a.tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	_, _ = w.Write(a.content) // the browser went away
}
