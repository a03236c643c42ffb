package exchange

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// JSON is laid out as Go lays it out, with every number and escape as it came.
func TestJSONIsLaidOut(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{}`, `[]`, ` [ ] `, `{"a":{},"b":[ ],"c":[1,2]}`, `"only text"`, `12345678901234567890.10e+3`, `{"\u003cb\u003e":"a\"b\\","n":[1,{"x":null}]}`,
		`{"a": "}{][,:", "b" : [true,false , [[],{}]]}`,
	} {
		var want bytes.Buffer
		if err := json.Indent(&want, []byte(strings.TrimSpace(text)), "", "  "); err != nil {
			t.Fatal(err)
		}
		if got, whole := indented([]byte(text), 1<<20); got != want.String() || !whole {
			t.Errorf("%s is laid out as\n%s\nnot as\n%s", text, got, want.String())
		}
	}
	deep := []byte(strings.Repeat("[", 9000) + strings.Repeat("]", 9000))
	if got, whole := indented(deep, 4<<20); !whole || len(got) > 2<<20 || strings.Count(got, "[") != 9000 {
		t.Errorf("%d bytes of brackets became %d, whole %t", len(deep), len(got), whole)
	}
	if got, whole := indented(deep, 1000); whole || len(got) > 1200 {
		t.Errorf("%d bytes of at most 1000, whole %t", len(got), whole)
	}
}
