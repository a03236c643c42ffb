package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// IsTerminal reports whether a command reads from or writes to a terminal.
func IsTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Confirm asks a question and returns an error unless the answer is yes. A command that asks has a flag --yes for scripts.
func Confirm(cmd *cobra.Command, question string) error {
	fmt.Fprint(cmd.ErrOrStderr(), question+" [y/N] ")
	answer, err := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
	switch {
	case errors.Is(err, io.EOF) && answer == "":
		fmt.Fprintln(cmd.ErrOrStderr())
		return Usagef("stdin is not a terminal; pass --yes to confirm")
	case err != nil && !errors.Is(err, io.EOF):
		return fmt.Errorf("reading the answer: %w", err)
	}
	if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" {
		return errors.New("canceled; nothing was changed")
	}
	return nil
}

// ProgressLine shows text that changes: in place on a terminal, and otherwise one line for each change.
type ProgressLine struct {
	w        io.Writer
	terminal bool
	shown    string
}

// NewProgressLine returns a progress line that writes to w.
func NewProgressLine(w io.Writer) *ProgressLine { return &ProgressLine{w: w, terminal: IsTerminal(w)} }

// Show replaces the text.
func (p *ProgressLine) Show(text string) {
	switch {
	case text == p.shown:
	case p.terminal:
		fmt.Fprintf(p.w, "\r\033[K%s", text)
	default:
		fmt.Fprintln(p.w, text)
	}
	p.shown = text
}

// End leaves the line as it is; the next output starts below it.
func (p *ProgressLine) End() {
	if p.terminal {
		fmt.Fprintln(p.w)
	}
}
