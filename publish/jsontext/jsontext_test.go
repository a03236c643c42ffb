package jsontext_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"jethook/publish/jsontext"
)

func TestValid(t *testing.T) {
	t.Parallel()
	nested := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for name, c := range map[string]struct {
		text string
		want bool
	}{
		"an object":                    {`{"a":[1,"x",null]}`, true},
		"nothing":                      {``, false},
		"no JSON":                      {`{"a"`, false},
		"as deep as may be":            {nested(jsontext.MaxDepth), true},
		"deeper":                       {nested(jsontext.MaxDepth + 1), false},
		"wide and flat":                {"[" + strings.Repeat("{},", 3*jsontext.MaxDepth) + "[]]", true},
		"many brackets in a string":    {`"` + strings.Repeat("[", 3*jsontext.MaxDepth) + `"`, true},
		"an escaped quote before them": {`"\"` + strings.Repeat("[", 3*jsontext.MaxDepth) + `"`, true},
		"strings that seem to close":   {strings.Repeat(`["]]",`, 2*jsontext.MaxDepth), false},
		"objects":                      {strings.Repeat(`{"a":`, 8<<20/5), false},
		"8 MB of brackets":             {strings.Repeat("[", 8<<20), false},
		"closed before they open":      {strings.Repeat("]", 4*jsontext.MaxDepth) + strings.Repeat("[", 8<<20), false},
		"a string that never ends":     {`["` + strings.Repeat("[", 8<<20), false},
	} {
		if got := jsontext.Valid([]byte(c.text)); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// What is valid can be decoded, whatever it is.
func FuzzValid(f *testing.F) {
	for _, text := range []string{`{"a":[1,"x"]}`, `["\"",{}]`, `[1e5,-0.1,true]`, `"\u00e9"`, "[[[[", `{"a":"]"}`} {
		f.Add([]byte(text), uint16(0))
		f.Add([]byte(text), uint16(12_000))
	}
	f.Fuzz(func(t *testing.T, text []byte, wrap uint16) {
		text = []byte(strings.Repeat("[", int(wrap)) + string(text) + strings.Repeat("]", int(wrap)))
		if jsontext.Valid(text) && !json.Valid(text) {
			t.Errorf("%d levels around %q are valid here alone", wrap, text[wrap:len(text)-int(wrap)])
		}
	})
}

// Nothing else calls gjson's validator, which knows no bound.
func TestOnlyHere(t *testing.T) {
	t.Parallel()
	files := 0
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		files++
		if filepath.ToSlash(path) == "../../publish/jsontext/jsontext.go" {
			return nil
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		name := "gjson"
		for _, imported := range file.Imports {
			if imported.Path.Value == `"github.com/tidwall/gjson"` && imported.Name != nil {
				name = imported.Name.Name
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if !ok || s.Sel.Name != "Valid" && s.Sel.Name != "ValidBytes" {
				return true
			}
			if of, ok := s.X.(*ast.Ident); ok && of.Name == name {
				t.Errorf("%s calls gjson.%s: use jsontext.Valid", set.Position(s.Pos()), s.Sel.Name)
			}
			return true
		})
		return nil
	})
	if err != nil || files < 100 {
		t.Errorf("%d files were read: %v", files, err)
	}
}
