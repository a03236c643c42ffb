package client

import (
	"encoding/json"
	"testing"
)

func TestEventBodyKeepsDataByteForByte(t *testing.T) {
	t.Parallel()
	const data = "{ \"b\": 1.0, \"a\": \"<&>\\u00e9\" }\n"
	body, err := EventBody("a.b", `i"d`, []byte(data))
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"type":"a.b","id":"i\"d","data":` + data + `}`; string(body) != want || !json.Valid(body) {
		t.Errorf("got %s, want %s", body, want)
	}
}
