package event

// credentialWords are those by which a header's name tells that its value lets somebody in.
var credentialWords = map[string]bool{
	"authorization": true, "authentication": true, "authenticate": true, "auth": true, "cookie": true,
	"token": true, "secret": true, "password": true, "passwd": true, "passcode": true, "passphrase": true, "bearer": true,
	"key": true, "apikey": true, "apitoken": true, "authtoken": true, "accesstoken": true, "accesskey": true, "secretkey": true,
	"credential": true, "credentials": true, "session": true, "sessionid": true, "jwt": true, "csrf": true, "xsrf": true,
}

// longestWord is the length of the longest of them.
const longestWord = len("authentication")

// idempotency is the word by which a key or a token is none that lets somebody in: it tells repeated requests apart.
const idempotency = "idempotency"

// IsCredential reports whether a header's value must be kept from who may only look on, by the words of its name:
// Authorization, X-Api-Key, Cf-Access-Client-Secret. A signature is none: it says nothing of its key.
func IsCredential(header string) bool {
	found := false
	var word [longestWord]byte // the name is split without memory of its own: it is one of every request's headers
	n := 0
	for i := range len(header) + 1 {
		if i == len(header) || header[i] == '-' || header[i] == '_' {
			w := word[:min(n, longestWord)]
			if n <= longestWord && string(w) == idempotency {
				return false
			}
			found = found || n <= longestWord && credentialWords[string(w)]
			n = 0
			continue
		}
		if n < longestWord {
			word[n] = lower(header[i])
		}
		n++
	}
	return found
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
