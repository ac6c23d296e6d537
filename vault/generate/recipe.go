package generate

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The bounds of a recipe.
const (
	minLength = 4
	maxLength = 4096
	maxChars  = 94 // the printable ASCII characters without the blank
)

// The defaults of a recipe.
const (
	defaultLength = 32
	defaultBits   = 3072
)

const (
	lower  = "abcdefghijklmnopqrstuvwxyz"
	upper  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits = "0123456789"
)

// charsets are the alphabets that have a name.
var charsets = map[string]string{
	"alnum":     upper + lower + digits,
	"alpha":     upper + lower,
	"digits":    digits,
	"hex":       digits + "abcdef",
	"base64url": upper + lower + digits + "-_",
	"ascii":     upper + lower + digits + "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
}

// Recipe says what value is made. The zero value makes nothing; Parse gives one that
// does.
type Recipe struct {
	format string // "text", or one of the formats or keys
	chars  string // of text
	length int    // in characters of text, in bytes before they are written as hex or base64
	bits   int    // of an RSA key
}

// The kinds of value.
const (
	text       = "text"
	uuid       = "uuid"
	hexOf      = "hex"
	base64Of   = "base64"
	ed25519Key = "ed25519"
	rsaKey     = "rsa"
)

// Slow reports whether a value takes seconds of a processor to make.
func (r Recipe) Slow() bool { return r.format == rsaKey }

// Parse reads a recipe as it stands in a table of TOML: length and charset, or
// length and chars, or format, or key. It is strict.
func Parse(table any) (Recipe, error) {
	values, ok := table.(map[string]any)
	if !ok {
		return Recipe{}, errors.New(`it is a table, as in { length = 32, charset = "alnum" }`)
	}
	p := parser{values: values}
	r, err := p.recipe()
	if err != nil {
		return Recipe{}, err
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if !slices.Contains(p.used, name) {
			return Recipe{}, p.unknown(name)
		}
	}
	return r, nil
}

// names are all keys of the table.
var names = []string{"bits", "chars", "charset", "format", "key", "length"}

type parser struct {
	values map[string]any
	used   []string
}

func (p *parser) unknown(name string) error {
	if slices.Contains(names, name) {
		return fmt.Errorf("%s does not go with the rest", name)
	}
	return fmt.Errorf("it has no %q; it has %s", name, strings.Join(names, ", "))
}

func (p *parser) recipe() (r Recipe, err error) {
	switch {
	case p.has("format"):
		return p.formatted()
	case p.has("key"):
		return p.key()
	}
	r.format = text
	if r.chars, err = p.alphabet(); err != nil {
		return r, err
	}
	r.length, err = p.number("length", defaultLength, minLength, maxLength)
	return r, err
}

func (p *parser) formatted() (r Recipe, err error) {
	if r.format, err = p.oneOf("format", uuid, hexOf, base64Of); err != nil || r.format == uuid {
		return r, err
	}
	r.length, err = p.number("length", defaultLength, minLength, maxLength)
	return r, err
}

func (p *parser) key() (r Recipe, err error) {
	if r.format, err = p.oneOf("key", ed25519Key, rsaKey); err != nil || r.format == ed25519Key {
		return r, err
	}
	r.bits, err = p.number("bits", defaultBits, 3072, 4096)
	if err == nil && r.bits != 3072 && r.bits != 4096 {
		err = errors.New("bits is 3072 or 4096")
	}
	return r, err
}

// alphabet is the characters that a text is made of.
func (p *parser) alphabet() (string, error) {
	if !p.has("chars") {
		if !p.has("charset") {
			return charsets["alnum"], nil
		}
		name, err := p.oneOf("charset", slices.Sorted(maps.Keys(charsets))...)
		return charsets[name], err
	}
	chars, ok := p.take("chars").(string)
	switch {
	case !ok || len(chars) < 2 || len(chars) > maxChars:
		return "", errors.New("chars is text of at least two different characters")
	case strings.ContainsFunc(chars, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "", errors.New("chars has only printable ASCII characters, and no blank")
	}
	for i, c := range chars {
		if strings.ContainsRune(chars[i+1:], c) {
			return "", fmt.Errorf("chars has %q twice", c)
		}
	}
	return chars, nil
}

func (p *parser) has(name string) bool { _, ok := p.values[name]; return ok }

func (p *parser) take(name string) any {
	p.used = append(p.used, name)
	return p.values[name]
}

func (p *parser) oneOf(name string, allowed ...string) (string, error) {
	s, ok := p.take(name).(string)
	if !ok || !slices.Contains(allowed, s) {
		return "", fmt.Errorf("%s is one of %s, in quotes", name, strings.Join(allowed, ", "))
	}
	return s, nil
}

// number is a whole number between two, or the default where there is none.
func (p *parser) number(name string, otherwise, least, most int) (int, error) {
	if !p.has(name) {
		return otherwise, nil
	}
	n, ok := p.take(name).(int64)
	if !ok || n < int64(least) || n > int64(most) {
		return 0, fmt.Errorf("%s is a whole number from %d to %d", name, least, most)
	}
	return int(n), nil
}
