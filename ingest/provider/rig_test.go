package provider

import (
	"crypto/hmac"
	"crypto/sha256"
	"time"
)

// at is when the samples are sent.
var at = time.Unix(1_790_000_000, 0)

func sha256MAC(key []byte, content string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(content))
	return m.Sum(nil)
}
