package endpoint

import "strings"

// credentialWords are those by which a header's name tells that its value lets somebody in.
var credentialWords = map[string]bool{
	"authorization": true, "auth": true, "cookie": true, "token": true, "secret": true, "password": true,
	"key": true, "apikey": true, "credential": true, "credentials": true, "session": true, "jwt": true,
}

// IsCredential reports whether a header's value must be hidden from who may only look on, by the words of its
// name: Authorization, X-Api-Key, Cf-Access-Client-Secret. A signature is none: it says nothing of its key.
func IsCredential(header string) bool {
	for word := range strings.FieldsFuncSeq(strings.ToLower(header), func(r rune) bool { return r == '-' || r == '_' }) {
		if credentialWords[word] {
			return true
		}
	}
	return false
}
