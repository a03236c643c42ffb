package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/pflag"

	"jethook/cmd/jethook/help"
	"jethook/config"
	"jethook/consume"
)

// top is the repository's top level.
const top = "../.."

// manual returns the text of every page by its path: the README, and what it leads to.
func manual(t *testing.T) map[string]string {
	t.Helper()
	paths := []string{"README.md", ".github/CONTRIBUTING.md", ".github/SECURITY.md"}
	for _, page := range topics {
		paths = append(paths, page.Folder+"/README.md")
	}
	pages := make(map[string]string, len(paths))
	for _, path := range paths {
		text, err := os.ReadFile(filepath.Join(top, path))
		if err != nil {
			t.Fatal(err)
		}
		pages[path] = string(text)
	}
	return pages
}

// fenced returns the lines of a page's code blocks, a command on several lines as one.
func fenced(text string) (lines []string) {
	inside := false
	for line := range strings.Lines(strings.ReplaceAll(text, "\\\n", " ")) {
		if strings.HasPrefix(line, "```") {
			inside = !inside
		} else if inside {
			lines = append(lines, strings.TrimPrefix(strings.TrimSpace(line), "$ "))
		}
	}
	return lines
}

// The README is short, and says how to begin.
func TestREADMESize(t *testing.T) {
	t.Parallel()
	text := manual(t)["README.md"]
	if lines := strings.Count(text, "\n"); lines > 200 || len(text) > 12<<10 {
		t.Errorf("%d lines and %d bytes, want at most 200 and 12 KiB", lines, len(text))
	}
	for _, want := range []string{"go run ./cmd/jethook demo", "go test ./..."} {
		if !strings.Contains(text, "\n"+want) {
			t.Errorf("it does not say %q", want)
		}
	}
}

// Every jethook command in the manual exists, with its flags and as many arguments as it takes.
func TestREADMECommands(t *testing.T) {
	t.Parallel()
	found := 0
	for path, text := range manual(t) {
		for _, line := range fenced(text) {
			line = strings.Replace(line, "go run ./cmd/jethook", "jethook", 1)
			if command, ok := strings.CutPrefix(line, "jethook "); ok {
				found++
				checkCommand(t, path, command)
			}
		}
	}
	if found < 40 {
		t.Fatalf("only %d commands found", found)
	}
}

func checkCommand(t *testing.T, path, line string) {
	t.Helper()
	root := newRoot(io.Discard, io.Discard)
	cmd, rest, err := root.Find(words(line))
	if err != nil || cmd == root || cmd.HasSubCommands() {
		t.Errorf("%s: %s: no such command: %v", path, line, err)
		return
	}
	cmd.Flags().SetInterspersed(true)
	if err := cmd.ParseFlags(rest); err != nil && err != pflag.ErrHelp {
		t.Errorf("%s: %s: %v", path, line, err)
		return
	}
	if cmd.Args != nil {
		if err := cmd.Args(cmd, cmd.Flags().Args()); err != nil {
			t.Errorf("%s: %s: %v", path, line, err)
		}
	}
}

// A command in a sentence exists, too: as far as its words without flags, placeholders and arguments go.
func TestREADMEMentions(t *testing.T) {
	t.Parallel()
	found := 0
	for path, text := range manual(t) {
		for _, m := range regexp.MustCompile("`jethook ([a-z][^`]*)`").FindAllStringSubmatch(strings.ReplaceAll(text, "\n", " "), -1) {
			found++
			if words := words(m[1]); words[0] == "help" {
				if !slices.ContainsFunc(topics, func(p help.Topic) bool { return p.Name == words[1] }) && words[1] != "TOPIC" {
					t.Errorf("%s: there is no topic %s", path, words[1])
				}
			} else if cmd, _, err := newRoot(io.Discard, io.Discard).Find(words); err != nil || !cmd.HasParent() {
				t.Errorf("%s: there is no %s", path, m[1])
			} else if len(words) > 1 && cmd.HasSubCommands() && !strings.HasPrefix(words[1], "-") {
				t.Errorf("%s: there is no command %s", path, m[1])
			}
		}
	}
	if found < 30 {
		t.Fatalf("only %d found", found)
	}
}

// Every link from page to page leads somewhere, to a heading if it names one; and the README leads to every page.
func TestREADMELinks(t *testing.T) {
	t.Parallel()
	pages := manual(t)
	for path, text := range pages {
		for _, m := range regexp.MustCompile(`\[([^]]*)\]\(([^)]*)\)`).FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[2], "://") {
				continue
			}
			file, anchor, named := strings.Cut(m[2], "#")
			target := path
			if file != "" {
				target = filepath.Join(filepath.Dir(path), file)
			}
			if _, err := os.Stat(filepath.Join(top, target)); err != nil {
				t.Errorf("%s: %s: %v", path, m[2], err)
			} else if named && !slices.Contains(anchors(pages[target]), anchor) {
				t.Errorf("%s: %s: %s has no such heading", path, m[2], target)
			}
		}
		if path != "README.md" && !strings.Contains(pages["README.md"], "("+path+")") {
			t.Errorf("the README does not lead to %s", path)
		}
	}
}

// anchors are what a page's headings are linked by.
func anchors(text string) (all []string) {
	for line := range strings.Lines(text) {
		if m := regexp.MustCompile(`^(#+) (.*)$`).FindStringSubmatch(strings.TrimSpace(line)); m != nil {
			name := regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(m[2]), "")
			all = append(all, strings.ReplaceAll(name, " ", "-"))
		}
	}
	return all
}

// Every variable that the manual, the image and the compose file speak of exists: one that does not stops the start.
func TestNamedVariables(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, name := range regexp.MustCompile("`JETHOOK_([A-Z_]+|SOURCE_<NAME>_[A-Z]+_?[A-Z]*)`").FindAllString(config.Markdown(), -1) {
		known[strings.Trim(name, "`")] = true
	}
	ofSource := regexp.MustCompile(`^JETHOOK_SOURCE_[A-Z]+_`)
	texts := manual(t)
	for _, path := range []string{"Dockerfile", "compose.yaml"} {
		text, err := os.ReadFile(filepath.Join(top, path))
		if err != nil {
			t.Fatal(err)
		}
		texts[path] = string(text)
	}
	all := 0
	for path, text := range texts {
		for _, name := range regexp.MustCompile(`JETHOOK_[A-Z_]+`).FindAllString(text, -1) {
			if strings.HasSuffix(name, "_") { // what several begin with
				continue
			}
			all++
			if !known[name] && !known[ofSource.ReplaceAllString(name, "JETHOOK_SOURCE_<NAME>_")] {
				t.Errorf("%s: there is no %s", path, name)
			}
		}
	}
	if all < 100 {
		t.Errorf("only %d names found", all)
	}
}

// Every hop of the four walks exists, no walk is longer than a reader can keep in mind, and none comes back to a package that it
// has left.
func TestWalks(t *testing.T) {
	t.Parallel()
	const most = 12
	_, text, _ := strings.Cut(manual(t)[".github/CONTRIBUTING.md"], "\nFour walks ")
	sections := strings.Split(text, "\n### ")[1:]
	if len(sections) != 4 {
		t.Fatalf("%d walks, want 4", len(sections))
	}
	hop := regexp.MustCompile("(?m)^[0-9]+\\. `([^`]+\\.go)` `([^`]+)`")
	for _, section := range sections {
		name, _, _ := strings.Cut(section, "\n")
		section, _, _ = strings.Cut(section, "\n## ")
		hops := hop.FindAllStringSubmatch(section, -1)
		if len(hops) < 5 || len(hops) > most {
			t.Errorf("%s: %d hops", name, len(hops))
		}
		left, in := map[string]bool{}, ""
		for _, m := range hops {
			if room := path.Dir(m[1]); room != in {
				if left[room] {
					t.Errorf("%s: comes back to %s", name, room)
				}
				left[in], in = true, room
			}
			if !slices.Contains(functions(t, filepath.Join(top, m[1])), m[2]) {
				t.Errorf("%s: there is no %s in %s", name, m[2], m[1])
			}
		}
	}
}

// functions are those of a file, methods after their type.
func functions(t *testing.T, path string) (names []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok {
			names = append(names, receiverOf(f)+f.Name.Name)
		}
	}
	return names
}

// receiverOf is the type of a method and a dot; empty of a function.
func receiverOf(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return ""
	}
	of := f.Recv.List[0].Type
	if star, ok := of.(*ast.StarExpr); ok {
		of = star.X
	}
	if generic, ok := of.(*ast.IndexExpr); ok {
		of = generic.X
	}
	if name, ok := of.(*ast.Ident); ok {
		return name.Name + "."
	}
	return ""
}

// The pages that the binary holds are shown without marks and no wider than a terminal, and no command hides one.
func TestTopics(t *testing.T) {
	t.Parallel()
	for _, page := range topics {
		if text := manual(t)[page.Folder+"/README.md"]; page.Text != text {
			t.Errorf("%s: the binary holds another text", page.Name)
		}
		if cmd, _, err := newRoot(io.Discard, io.Discard).Find([]string{page.Name}); err == nil && cmd.HasParent() {
			t.Errorf("%s is a command too", page.Name)
		}
		r := jethook(t, "help", page.Name)
		if r.code != exitOK || r.stderr != "" {
			t.Errorf("help %s: %+v", page.Name, r)
		}
		for line := range strings.Lines(r.stdout) {
			line = strings.TrimSuffix(line, "\n")
			isCode := strings.HasPrefix(line, "    ")                 // or a cell of a table
			isWord := !strings.Contains(strings.TrimSpace(line), " ") // which can't be wrapped
			if !isCode && (utf8.RuneCountInString(line) > help.Width && !isWord || strings.Contains(line, "`") || strings.Contains(line, "**") || strings.Contains(line, "](")) ||
				strings.HasPrefix(line, "|") || strings.Contains(line, "<!--") {
				t.Errorf("help %s: %q", page.Name, line)
			}
		}
	}
}

// words splits a line as a shell does, as far as the manual goes, and leaves out comments and redirections.
func words(line string) (out []string) {
	for _, w := range regexp.MustCompile(`'[^']*'|[^\s']+`).FindAllString(line, -1) {
		if w == "#" || w == ">" {
			break
		}
		out = append(out, strings.Trim(w, "'"))
	}
	return out
}

// Every name of the glossary is one of the code.
func TestGlossary(t *testing.T) {
	t.Parallel()
	_, text, _ := strings.Cut(consume.Manual, "\n## Glossary\n")
	rows, last := 0, ""
	for line := range strings.Lines(text) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		if len(cells) != 3 || strings.HasPrefix(line, "| term ") {
			continue
		}
		rows++
		if term := strings.TrimSpace(cells[0]); term <= last {
			t.Errorf("%s stands after %s", term, last)
		} else {
			last = term
		}
		for _, m := range regexp.MustCompile("`([a-z]+)\\.([^`]+)`").FindAllStringSubmatch(cells[2], -1) {
			if !slices.Contains(declared(t, m[1]), m[2]) {
				t.Errorf("%s: there is no %s.%s", last, m[1], m[2])
			}
		}
	}
	if rows < 20 {
		t.Errorf("only %d terms are found", rows)
	}
}

// declared are the types and functions of a package, and the methods and fields of its types after them.
func declared(t *testing.T, name string) (names []string) {
	t.Helper()
	var files []string
	for _, pattern := range []string{"/", "/*/"} {
		found, err := filepath.Glob(top + pattern + name + "/*.go")
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	for _, path := range files {
		names = append(names, functions(t, path)...)
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			names = append(names, spec.Name.Name)
			if s, ok := spec.Type.(*ast.StructType); ok {
				for _, field := range s.Fields.List {
					for _, f := range field.Names {
						names = append(names, spec.Name.Name+"."+f.Name)
					}
				}
			}
			return true
		})
	}
	return names
}
