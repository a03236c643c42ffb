package config

import (
	"encoding"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/kelseyhightower/envconfig"

	"jethook/config/quantity"
)

// prefix begins the name of every variable, sourcePrefix that of every variable of a source.
const (
	prefix       = "JETHOOK_"
	sourcePrefix = prefix + "SOURCE_"

	minTolerance = time.Second
	maxTolerance = time.Hour
)

// Default returns what [Load] gives for an empty environment, without reading the environment.
func Default() *Config {
	c := &Config{}
	for _, s := range settings(prefix, c) {
		if s.fallback == "" {
			continue
		}
		if err := s.Decode(s.fallback); err != nil {
			panic(fmt.Sprintf("default of %s: %v", s.name, err))
		}
	}
	return c
}

// Load reads the configuration from the environment and checks it. A variable that is set but empty counts as
// unset. The error is a [Problems] that holds everything wrong; it never shows a secret. The Config that comes
// with an error is only good for looking for more problems.
func Load() (*Config, error) { return LoadFor("") }

// LoadFor is Load with another NATS_URL than the environment's, unless it is empty.
func LoadFor(natsURL string) (*Config, error) {
	l := loader{open: func(_, path string) (Secret, error) { return ReadSecretFile(path, nil) }}
	return l.load(natsURL)
}

func (l *loader) load(natsURL string) (*Config, error) {
	c := Default()
	l.read(settings(prefix, c))
	checkSourceNames(&l.problems, c.SourceNames)
	for _, name := range c.SourceNames {
		source := Source{Name: name, Provider: name, Split: true}
		l.read(settings(variablesOf(name), &source))
		checkSourceURL(&l.problems, &source)
		l.problems.require(source.Tolerance == 0 || minTolerance <= source.Tolerance && source.Tolerance <= maxTolerance, variablesOf(name)+"TOLERANCE",
			"%s is out of range: choose 1s to 1h", quantity.Short(source.Tolerance))
		c.Sources = append(c.Sources, source)
	}
	readNATSURL(&l.problems, c)
	if natsURL != "" {
		c.NATSURL = natsURL
	}
	c.EncryptionKeys = readKeys(&l.problems, c.EncryptionKeys)
	check(&l.problems, c)
	l.problems = append(l.problems, unknown(os.Environ(), l.known)...)
	c.files = l.files
	if len(l.problems) > 0 {
		return c, l.problems
	}
	return c, nil
}

// variablesOf is the common prefix of a source's variables.
func variablesOf(source string) string {
	return sourcePrefix + strings.ToUpper(strings.ReplaceAll(source, "-", "_")) + "_"
}

// loader collects, over several structs, the variables that exist and what is wrong with them.
type loader struct {
	known    []string
	problems Problems
	files    map[string]secretFile                       // by variable
	open     func(variable, path string) (Secret, error) // reads the file that a variable names
}

func (l *loader) read(settings []setting) {
	for _, s := range settings {
		if slices.Contains(l.known, s.name) {
			continue // two sources share it, which is a problem reported elsewhere
		}
		l.known = append(l.known, s.name)
		// Compose files pass an empty variable for one that is not set.
		if strings.TrimSpace(os.Getenv(s.name)) == "" {
			continue
		}
		read := s.read
		if s.file {
			read = func() error { return l.readFile(s) }
		}
		if err := read(); err != nil {
			l.problems.add(s.name, "%v", err)
		}
	}
}

// setting is one variable and the field it sets. To envconfig it is a [envconfig.Decoder].
type setting struct {
	name     string // with its prefix
	fallback string
	meaning  string // empty: told by another setting
	field    any    // a pointer to the field, or a secretAt
	file     bool   // the variable names the file that holds the value
}

// settings lists the variables that set the fields of the struct that spec points to.
func settings(prefix string, spec any) []setting {
	var list []setting
	for field, value := range reflect.ValueOf(spec).Elem().Fields() {
		name, ok := field.Tag.Lookup("envconfig")
		if !ok {
			continue
		}
		if secrets, ok := value.Addr().Interface().(*[]Secret); ok {
			list = append(list, numbered(prefix+name, secrets, field.Tag)...)
			continue
		}
		list = append(list, setting{
			name:     prefix + name,
			fallback: field.Tag.Get("default"),
			meaning:  field.Tag.Get("desc"),
			field:    value.Addr().Interface(),
		})
		if secret, ok := value.Addr().Interface().(*Secret); ok {
			list = append(list, setting{name: prefix + name + fileSuffix, meaning: fileMeaning, field: secret, file: true})
		}
	}
	return list
}

// read sets the field from the environment. It gives envconfig a struct of this one setting, because
// envconfig stops at the first error, and its full name without a prefix, because with a prefix envconfig
// falls back to the name without it: NATS_URL would be taken for JETHOOK_NATS_URL.
func (s setting) read() error {
	spec := reflect.New(reflect.StructOf([]reflect.StructField{{
		Name: "Setting",
		Type: reflect.TypeFor[setting](),
		Tag:  reflect.StructTag(fmt.Sprintf("envconfig:%q", s.name)),
	}}))
	spec.Elem().Field(0).Set(reflect.ValueOf(s))
	err := envconfig.Process("", spec.Interface())
	// A ParseError prints the raw value, which may be a secret. Its cause is what Decode returned.
	if parse, ok := errors.AsType[*envconfig.ParseError](err); ok {
		return parse.Err
	}
	return err
}

// Decode sets the field from text. On an error, which never shows a secret, the field keeps its value.
func (s setting) Decode(text string) error {
	switch field := s.field.(type) {
	case *string:
		*field = text
	case *[]string:
		*field = quantity.Split(text)
	case *Secret:
		*field = NewSecret(strings.TrimSpace(text))
	case secretAt:
		field.set(text)
	case *bool:
		return set(field, parseBool, text)
	case *int:
		return set(field, parseInt, text)
	case *time.Duration:
		return set(field, parseDuration, text)
	case *[]netip.Prefix:
		return set(field, parseNetworks, text)
	case encoding.TextUnmarshaler:
		return field.UnmarshalText([]byte(text))
	default:
		panic(fmt.Sprintf("%s: a %T cannot be read", s.name, field))
	}
	return nil
}

func set[T any](field *T, parse func(string) (T, error), text string) error {
	value, err := parse(text)
	if err == nil {
		*field = value
	}
	return err
}
