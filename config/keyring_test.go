package config

import (
	"strings"
	"testing"
)

func TestEncryptionKeysAreLongEnough(t *testing.T) {
	const firstKey, secondKey = "first-key-of-the-tests-0123456789", "second-key-of-the-tests-012345678"
	t.Setenv("JETHOOK_ENCRYPTION_KEY", firstKey+","+strings.Repeat("k", 31))
	_, err := Load()
	if err == nil || !strings.Contains(err.Error(), "JETHOOK_ENCRYPTION_KEY: key 2 is shorter than 32") || strings.Contains(err.Error(), "kkk") {
		t.Errorf("got %v", err)
	}
	t.Setenv("JETHOOK_ENCRYPTION_KEY", " "+secondKey+" , "+firstKey)
	if c, err := Load(); err != nil || len(c.EncryptionKeys) != 2 || c.EncryptionKeys[0].Reveal() != secondKey {
		t.Errorf("got %v, %v", c, err)
	}
	t.Setenv("JETHOOK_ENCRYPTION_KEY", " , ")
	if _, err := Load(); err == nil || !strings.Contains(err.Error(), "JETHOOK_ENCRYPTION_KEY") {
		t.Errorf("only a comma counts as no key: %v", err)
	}
}
