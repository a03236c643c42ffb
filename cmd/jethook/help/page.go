package help

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Width is how wide, in characters, a page of the manual is in a terminal.
const Width = 100

var (
	heading  = regexp.MustCompile(`^(#+) (.*)$`)
	listMark = regexp.MustCompile(`^ *([-*]|[0-9]+\.) `)
	mdLink   = regexp.MustCompile(`\[([^]]*)\]\(([^)]*)\)`)
	emphasis = regexp.MustCompile(`\*([^*]+)\*`)
	phrase   = regexp.MustCompile(`^[a-z-]+ `)
)

// page writes Markdown, as far as the manual goes, for a terminal.
type page struct {
	out  strings.Builder
	link func(target string) string
}

// plain returns Markdown as text for a terminal: without marks, wrapped, and tables as columns or, if they are too wide
// for that, as a block for each row. Behind a link stands in parentheses what link says of its target.
func plain(markdown string, link func(target string) string) string {
	p := &page{link: link}
	lines := strings.Split(markdown, "\n")
	for i := 0; i < len(lines); {
		switch line := lines[i]; {
		case strings.HasPrefix(line, "```"):
			i = p.code(lines, i+1)
		case strings.HasPrefix(line, "|"):
			i = p.table(lines, i)
		case strings.HasPrefix(line, "<!--"):
			i++
		case line == "":
			p.out.WriteString("\n")
			i++
		case heading.MatchString(line):
			p.heading(line)
			i++
		default:
			i = p.paragraph(lines, i)
		}
	}
	return p.out.String()
}

func (p *page) heading(line string) {
	m := heading.FindStringSubmatch(line)
	text := p.inline(m[2])
	p.out.WriteString(text + "\n")
	if marks := []string{"=", "-"}; len(m[1]) <= len(marks) {
		p.out.WriteString(strings.Repeat(marks[len(m[1])-1], utf8.RuneCountInString(text)) + "\n")
	}
}

// code writes the lines of a fenced block, and returns where the page goes on.
func (p *page) code(lines []string, i int) int {
	for ; i < len(lines) && !strings.HasPrefix(lines[i], "```"); i++ {
		p.out.WriteString(strings.TrimRight("    "+lines[i], " ") + "\n")
	}
	return i + 1
}

// paragraph writes a paragraph or an item of a list, and returns where the page goes on.
func (p *page) paragraph(lines []string, i int) int {
	mark := listMark.FindString(lines[i])
	parts := []string{strings.TrimSpace(lines[i][len(mark):])}
	for i++; i < len(lines); i++ {
		line := lines[i]
		if line == "" || listMark.MatchString(line) || strings.HasPrefix(line, "```") || strings.HasPrefix(line, "|") {
			break
		}
		parts = append(parts, strings.TrimSpace(line))
	}
	p.wrap(mark, strings.Repeat(" ", len(mark)), p.inline(strings.Join(parts, " ")))
	return i
}

// wrap writes a text after first, its further lines after rest.
func (p *page) wrap(first, rest, text string) {
	line, empty := first, true
	for _, word := range strings.Fields(text) {
		if !empty && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > Width {
			p.out.WriteString(line + "\n")
			line, empty = rest, true
		}
		if !empty {
			line += " "
		}
		line, empty = line+word, false
	}
	p.out.WriteString(line + "\n")
}

// inline takes the marks out of a text.
func (p *page) inline(text string) string {
	text = mdLink.ReplaceAllStringFunc(text, func(link string) string {
		m := mdLink.FindStringSubmatch(link)
		if target := p.link(m[2]); target != "" {
			return m[1] + " (" + target + ")"
		}
		return m[1]
	})
	parts := strings.Split(text, "`")
	for i, part := range parts {
		switch isCode := i%2 == 1; {
		case !isCode:
			parts[i] = emphasis.ReplaceAllString(strings.ReplaceAll(part, "**", ""), "$1")
		case phrase.MatchString(part): // it would read as a part of the sentence
			parts[i] = "'" + part + "'"
		}
	}
	return strings.ReplaceAll(strings.Join(parts, ""), `\|`, "|")
}

// table writes a table, and returns where the page goes on.
func (p *page) table(lines []string, i int) int {
	var rows [][]string
	for ; i < len(lines) && strings.HasPrefix(lines[i], "|"); i++ {
		rows = append(rows, p.cells(lines[i]))
	}
	head := rows[0]
	rows = slices.Delete(rows, 1, 2) // the line below the head
	widths := make([]int, len(head))
	for _, row := range rows {
		for c, cell := range row {
			widths[c] = max(widths[c], utf8.RuneCountInString(cell))
		}
	}
	total := 0
	for _, w := range widths {
		total += w + 2
	}
	if total > Width {
		p.blocks(head, rows[1:])
		return i
	}
	for _, row := range rows {
		line := ""
		for c, cell := range row {
			line += cell + strings.Repeat(" ", widths[c]+2-utf8.RuneCountInString(cell))
		}
		p.out.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return i
}

// blocks writes each row as its first cell, and below it the others after what stands above them.
func (p *page) blocks(head []string, rows [][]string) {
	for i, row := range rows {
		if i > 0 && len(head) > 2 {
			p.out.WriteString("\n")
		}
		p.wrap("", "  ", row[0])
		for c, cell := range row[1:] {
			if cell == "" {
				continue
			}
			if len(head) > 2 {
				p.wrap("    "+head[c+1]+": ", "      ", cell)
			} else {
				p.wrap("    ", "    ", cell)
			}
		}
	}
}

// cells are the cells of a table's line. A bar in one of them is escaped.
func (p *page) cells(line string) []string {
	const bar = "\x00"
	line = strings.ReplaceAll(strings.Trim(line, "|"), `\|`, bar)
	cells := strings.Split(line, "|")
	for i, cell := range cells {
		cells[i] = p.inline(strings.ReplaceAll(strings.TrimSpace(cell), bar, "|"))
	}
	return cells
}
