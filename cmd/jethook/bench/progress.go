package bench

import (
	"fmt"
	"io"
	"os"
	"time"
)

// IsTerminal reports whether w is a terminal, or another device that is not a file.
func IsTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// watch writes what status says until the function it returns is called: in place on a terminal, and as a line
// every few seconds otherwise.
func watch(w io.Writer, status func() string) (stop func()) {
	if w == nil {
		return func() {}
	}
	pause, format, last := 5*time.Second, "%s\n", ""
	if IsTerminal(w) {
		const clear = "\r\x1b[K"
		pause, format, last = 200*time.Millisecond, clear+"%s", clear
	}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(pause)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				fmt.Fprintf(w, format, status())
			case <-quit:
				io.WriteString(w, last)
				return
			}
		}
	}()
	return func() { close(quit); <-done }
}
