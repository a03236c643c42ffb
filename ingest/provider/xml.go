package provider

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"strings"
)

// xmlElement returns the text of the first element of that name in XML that comes in base64, empty if there is
// none. Line ends in the base64 are allowed.
func xmlElement(encoded, name string) string {
	text, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return ""
	}
	d := xml.NewDecoder(bytes.NewReader(text))
	for {
		token, err := d.RawToken()
		if err != nil {
			return ""
		}
		if start, ok := token.(xml.StartElement); ok && start.Name.Local == name {
			token, err = d.RawToken()
			if chars, ok := token.(xml.CharData); err == nil && ok {
				return strings.TrimSpace(string(chars))
			}
			return ""
		}
	}
}
