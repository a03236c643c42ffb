package bench

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http/httputil"
	"net/textproto"
	"strconv"
	"strings"
)

// answer is what a load needs of a response.
type answer struct {
	status int
	last   bool   // the connection takes no further request
	body   string // its beginning, unless the status is a success
}

// refusedError is an answer that is not a success.
type refusedError struct{ answer answer }

func (e *refusedError) Error() string {
	return fmt.Sprintf("status %d: %s", e.answer.status, strings.TrimSpace(e.answer.body))
}

// errMalformed means that what answers does not speak HTTP/1.
var errMalformed = errors.New("not an HTTP/1 response")

// readAnswer reads one response to its end, whichever way that is marked, and allocates nothing for those that
// Jethook sends.
func readAnswer(r *bufio.Reader) (a answer, err error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return a, err
	}
	if len(line) < len("HTTP/1.1 200\n") || string(line[:7]) != "HTTP/1." {
		return a, errMalformed
	}
	if a.status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return a, errMalformed
	}
	length, chunked := int64(-1), false
	for {
		if line, err = r.ReadSlice('\n'); err != nil {
			return a, err
		}
		name, value, found := bytes.Cut(line, []byte(":"))
		if !found {
			break
		}
		value = bytes.TrimSpace(value)
		switch {
		case fold(name, "content-length"):
			n, err := strconv.ParseUint(string(value), 10, 31)
			if err != nil {
				return a, errMalformed
			}
			length = int64(n)
		case fold(name, "transfer-encoding"):
			chunked = fold(value, "chunked")
		case fold(name, "connection"):
			a.last = fold(value, "close")
		}
	}
	return a, readBody(r, &a, length, chunked)
}

func readBody(r *bufio.Reader, a *answer, length int64, chunked bool) error {
	body := io.Reader(r)
	switch {
	case chunked:
		body = httputil.NewChunkedReader(r)
	case length >= 0 && a.status/100 == 2:
		_, err := r.Discard(int(length))
		return err
	case length >= 0:
		body = io.LimitReader(r, length)
	case a.status == 204 || a.status == 304:
		return nil
	default: // it ends with the connection
		a.last = true
	}
	if a.status/100 != 2 {
		start, err := io.ReadAll(io.LimitReader(body, 200))
		if err != nil {
			return err
		}
		a.body = string(start)
	}
	if _, err := io.Copy(io.Discard, body); err != nil || !chunked {
		return err
	}
	_, err := textproto.NewReader(r).ReadMIMEHeader() // the trailers, up to an empty line
	return err
}

// fold compares as header names are compared.
func fold(b []byte, word string) bool { return strings.EqualFold(string(b), word) }
