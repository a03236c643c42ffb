package dashboard

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"path"
	"strings"
)

// The files are pinned and served from here alone. htmx 2.0.11 and idiomorph 0.7.4 are the minified files of their npm packages,
// unchanged, each with its licence beside it.
//
//go:embed assets
var assetFiles embed.FS

// asset is one file, under an address that changes with its content, so that browsers keep it.
type asset struct {
	content     []byte
	contentType string
	tag         string
}

type assets map[string]asset

// assetNames are the files that pages load. What is below login/ is served before the login too.
var assetNames = map[string]string{
	"login/app.css":          "assets/app.css",
	"login/icon.svg":         "assets/icon.svg",
	"htmx.min.js":            "assets/htmx/htmx.min.js",
	"idiomorph-ext.min.js":   "assets/idiomorph/idiomorph-ext.min.js",
	"app.js":                 "assets/app.js",
	"licenses/htmx.txt":      "assets/htmx/LICENSE",
	"licenses/idiomorph.txt": "assets/idiomorph/LICENSE",
}

var contentTypes = map[string]string{
	".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml", ".txt": "text/plain; charset=utf-8",
}

func loadAssets() assets {
	all := make(assets)
	for name, file := range assetNames {
		content, err := assetFiles.ReadFile(file)
		if err != nil {
			panic(err) // it is embedded
		}
		sum := sha256.Sum256(content)
		all[name] = asset{content, contentTypes[path.Ext(name)], hex.EncodeToString(sum[:6])}
	}
	return all
}

// assetPath is the address of a file, below the base path.
func (s *Server) assetPath(name string) string {
	a, ok := s.assets[name]
	if !ok {
		panic("no asset " + name)
	}
	return s.base + "/assets/" + name + "?v=" + a.tag
}

func (s *Server) assetRoutes() {
	s.mux.HandleFunc("GET /assets/{name...}", func(w http.ResponseWriter, r *http.Request) {
		a, ok := s.assets[r.PathValue("name")]
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
	})
}
