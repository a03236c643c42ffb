package cli

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"
)

// OrDash returns v as text, or "-" for the zero value.
func OrDash[T comparable](v T) string {
	var nothing T
	if v == nothing {
		return "-"
	}
	return fmt.Sprint(v)
}

// PrintTable aligns the cells of what write writes with [Row], and prints them as the command's output.
func PrintTable(cmd *cobra.Command, write func(w io.Writer)) error {
	var text bytes.Buffer
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	write(table)
	if err := table.Flush(); err != nil {
		return err
	}
	return Output(cmd, text.Bytes())
}

// Output prints text as the command's output.
func Output(cmd *cobra.Command, text []byte) error {
	_, err := cmd.OutOrStdout().Write(text)
	return err
}

// Row writes one line of a table. What senders and endpoints chose may hold control characters, which must
// not reach a terminal.
func Row(w io.Writer, cells ...any) {
	for i, cell := range cells {
		text := strings.Map(func(r rune) rune {
			if unicode.IsPrint(r) {
				return r
			}
			return '?'
		}, fmt.Sprint(cell))
		if i > 0 {
			text = "\t" + text
		}
		io.WriteString(w, text) // into memory
	}
	io.WriteString(w, "\n")
}

// Stamp returns a time as logs show it, or "-" for none.
func Stamp(t *time.Time) string {
	if t == nil || t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}
