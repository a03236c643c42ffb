package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func revealed(secrets []Secret) (texts []string) {
	for _, s := range secrets {
		texts = append(texts, s.Reveal())
	}
	return texts
}

// A secret has a variable of its own, or a file that one names. Nothing in it separates anything.
func TestNumberedSecrets(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const variable = "JETHOOK_SOURCE_A_SECRET"
	for name, test := range map[string]struct {
		env  map[string]string
		want string // joined by |
		bad  [2]string
	}{
		"whole":          {env: map[string]string{"": " user:a,b;c "}, want: " user:a,b;c "},
		"order and gaps": {env: map[string]string{"_9": "nine", "": "one", "_3": "three"}, want: "one||three||||||nine"},
		"no first one":   {env: map[string]string{"_2": "two"}, want: "|two"},
		"empty is unset": {env: map[string]string{"": "one", "_2": " "}, want: "one"},
		"from files":     {env: map[string]string{"_FILE": file("one", "a,b\n"), "_2_FILE": file("two", "x \r\n")}, want: "a,b|x "},
		"both":           {env: map[string]string{"_2": "x", "_2_FILE": file("both", "geheim")}, bad: [2]string{"_2_FILE", "conflicts with " + variable + "_2, which is also set"}},
		"no file":        {env: map[string]string{"_FILE": filepath.Join(dir, "none")}, bad: [2]string{"_FILE", "no such file"}},
		"a folder":       {env: map[string]string{"_FILE": dir}, bad: [2]string{"_FILE", "is a directory"}},
		"empty file":     {env: map[string]string{"_FILE": file("empty", "\n")}, bad: [2]string{"_FILE", "the file is empty"}},
		"too many":       {env: map[string]string{"_10": "x"}, bad: [2]string{"_10", "is not a Jethook variable"}},
		"misspelt":       {env: map[string]string{"_FIEL": "x"}, bad: [2]string{"_FIEL", "did you mean " + variable + "_FILE?"}},
	} {
		t.Run(name, func(t *testing.T) {
			env := map[string]string{"JETHOOK_SOURCES": "a"}
			for suffix, value := range test.env {
				env[variable+suffix] = value
			}
			setenv(t, env)
			c, err := Load()
			if want := variable + test.bad[0] + ": "; test.bad[0] != "" {
				if err == nil || !strings.HasPrefix(err.Error(), want) || !strings.Contains(err.Error(), test.bad[1]) || strings.Contains(err.Error(), "geheim") {
					t.Errorf("got %v, want %s%s", err, want, test.bad[1])
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(revealed(c.Sources[0].Secrets), "|"); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	s := Source{Name: "a-b"}
	if got := s.SecretVariable(0) + " " + s.SecretVariable(2); got != "JETHOOK_SOURCE_A_B_SECRET JETHOOK_SOURCE_A_B_SECRET_3" {
		t.Errorf("variables %s", got)
	}
}

// A passphrase with a comma is one key or two: it is refused, since what is stored opens with one reading alone.
func TestEncryptionKeysAreNotGuessed(t *testing.T) {
	const variable = "JETHOOK_ENCRYPTION_KEY"
	const passphrase, plain = "correct horse battery staple and more, a donkey with a long grey ear", "correct horse battery staple and more"
	const hexKey, base64Key = "000102030405060708090a0b0c0d0e0f", "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA="
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte(base64Key+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		env  map[string]string
		want string // joined by |
		bad  string
	}{
		"encoded keys":           {env: map[string]string{"": " " + hexKey + ", " + base64Key + ","}, want: hexKey + "|" + base64Key},
		"a variable for each":    {env: map[string]string{"": hexKey, "_2": plain}, want: hexKey + "|" + plain},
		"the first is not first": {env: map[string]string{"_2": plain, "_5": hexKey + "," + base64Key}, want: plain + "|" + hexKey + "|" + base64Key},
		"from a file":            {env: map[string]string{"_FILE": path, "_2": plain}, want: base64Key + "|" + plain},
		"a comma":                {env: map[string]string{"": passphrase}, bad: variable + ": contains a comma"},
		"a comma in the second":  {env: map[string]string{"": hexKey, "_2": passphrase}, bad: variable + "_2: contains a comma"},
		"mixed":                  {env: map[string]string{"": hexKey + "," + plain}, bad: variable + ": contains a comma"},
		"too short":              {env: map[string]string{"": hexKey, "_4": "0001"}, bad: variable + ": key 2 is shorter than 32"},
	} {
		t.Run(name, func(t *testing.T) {
			env := map[string]string{}
			for suffix, value := range test.env {
				env[variable+suffix] = value
			}
			setenv(t, env)
			c, err := Load()
			if test.bad != "" {
				if err == nil || !strings.HasPrefix(err.Error(), test.bad) || strings.Contains(err.Error(), "donkey") || strings.Contains(err.Error(), "horse") {
					t.Errorf("got %v, want %s", err, test.bad)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(revealed(c.EncryptionKeys), "|"); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// Who can guess a token is let in.
func TestTokensAreLongEnough(t *testing.T) {
	const short, long = "fifteen-letters", "sixteen-letters!"
	for name, test := range map[string]struct {
		env map[string]string
		bad string
	}{
		"embedded, short":  {map[string]string{"JETHOOK_NATS_TOKEN": short}, "JETHOOK_NATS_TOKEN: is shorter than 16"},
		"embedded, long":   {map[string]string{"JETHOOK_NATS_TOKEN": long}, ""},
		"embedded, quoted": {map[string]string{"JETHOOK_NATS_TOKEN": `"` + long + `"`}, "JETHOOK_NATS_TOKEN: begins and ends with a quote"},
		"a cluster's":      {map[string]string{"JETHOOK_NATS_TOKEN": short, "JETHOOK_NATS_URL": "nats://one"}, ""},
		"admin, short":     {map[string]string{"JETHOOK_ADMIN_TOKEN": short}, "JETHOOK_ADMIN_TOKEN: is shorter than 16"},
		"admin, quoted":    {map[string]string{"JETHOOK_ADMIN_TOKEN": "'" + long + "'"}, "JETHOOK_ADMIN_TOKEN: begins and ends with a quote"},
	} {
		t.Run(name, func(t *testing.T) {
			setenv(t, test.env)
			_, err := Load()
			if (err == nil) != (test.bad == "") || err != nil && (!strings.HasPrefix(err.Error(), test.bad) || strings.Contains(err.Error(), "letters")) {
				t.Errorf("got %v, want %q", err, test.bad)
			}
		})
	}
}
