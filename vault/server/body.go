package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/agent-secret-store/assd/internal/wipe"
	"github.com/agent-secret-store/assd/vault/api"
)

// decode reads the body as one JSON object of type T: UTF-8, no duplicate and no
// unknown fields, exact names, bounded depth, nothing behind it. An absent body
// is {}, a null field an absent one. Errors name the field, never its content.
func decode[T any](rq *request) (out T, err error) {
	calm := rq.hurry()
	b, err := wipe.ReadAll(rq.http.Body, rq.http.ContentLength)
	calm(err == nil)
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return out, api.New(api.CodeTooLarge, fmt.Sprintf("the body is longer than %d bytes", tooLarge.Limit))
	}
	if err != nil {
		return out, bad("the body could not be read to its end")
	}
	defer clear(b) // it may hold a value
	return decodeBytes[T](b)
}

func decodeBytes[T any](b []byte) (out T, err error) {
	b = bytes.Trim(b, " \t\r\n") // what is white in JSON
	if len(b) == 0 {
		return out, nil
	}
	if !utf8.Valid(b) {
		return out, bad("the body is not UTF-8")
	}
	if b[0] != '{' {
		return out, bad("the body is not a JSON object")
	}
	if err := checkObject(b, fieldsOf(reflect.TypeFor[T]())); err != nil {
		return out, err
	}
	if halfCharacter(b) {
		return out, bad("the body has a \\u escape of a lone surrogate, which is no text")
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber() // float64 would change long numbers in metadata
	if err := dec.Decode(&out); err != nil {
		return out, wrongType(err)
	}
	return out, nil
}

// halfCharacter reports whether well-formed JSON has a \u escape of a surrogate
// without its other half: encoding/json would put another character there.
func halfCharacter(b []byte) bool {
	for {
		i := bytes.IndexByte(b, '\\')
		if i < 0 {
			return false
		}
		first, ok := unescape(b[i:])
		b = b[i+2:]
		if !ok || !utf16.IsSurrogate(first) {
			continue
		}
		second, _ := unescape(b[4:])
		if utf16.DecodeRune(first, second) == utf8.RuneError {
			return true
		}
		b = b[10:]
	}
}

// unescape reads the \u escape that b begins with.
func unescape(b []byte) (rune, bool) {
	if len(b) < 6 || b[1] != 'u' || b[0] != '\\' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(b[2:6]), 16, 16)
	return rune(n), err == nil
}

func bad(message string) error { return api.New(api.CodeValidation, message) }

func wrongType(err error) error {
	if t, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return bad(fmt.Sprintf("%s: a JSON %s is not what belongs there", t.Field, strings.Fields(t.Value + " value")[0]))
	}
	for _, known := range []error{api.ErrTTL, api.ErrExpiry} {
		if errors.Is(err, known) {
			return bad(known.Error())
		}
	}
	return bad("the body is not well-formed JSON")
}

// fieldsOf are the names of the fields of a wire type.
func fieldsOf(t reflect.Type) map[string]bool {
	names := map[string]bool{}
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		names[name] = true
	}
	return names
}

// level is one object or array that the walk is in.
type level struct {
	object bool
	key    bool            // the next token of an object is a key
	seen   map[string]bool // its keys so far
}

// checkObject walks over the tokens: depth, duplicate keys at any depth, unknown
// keys at the top, and that there is one value and nothing behind it.
func checkObject(b []byte, known map[string]bool) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var stack []*level
	for n := 0; ; n++ {
		tok, err := dec.Token()
		if n == maxTokens {
			return bad(fmt.Sprintf("the JSON has more than %d elements", maxTokens))
		}
		if err != nil {
			return bad("the body is not well-formed JSON")
		}
		if d, ok := tok.(json.Delim); ok && (d == '}' || d == ']') {
			stack = stack[:len(stack)-1]
		} else if err := enter(&stack, tok, known); err != nil {
			return err
		}
		if len(stack) == 0 {
			break
		}
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return bad("there is something behind the JSON object")
	}
	return nil
}

// enter takes one token that is not a closing bracket.
func enter(stack *[]*level, tok json.Token, known map[string]bool) error {
	if n := len(*stack); n > 0 && (*stack)[n-1].object {
		top := (*stack)[n-1]
		if top.key {
			top.key = false
			return top.name(tok.(string), n == 1, known)
		}
		top.key = true
	}
	if d, ok := tok.(json.Delim); ok {
		if len(*stack) == maxDepth {
			return bad(fmt.Sprintf("the JSON is nested deeper than %d", maxDepth))
		}
		*stack = append(*stack, &level{object: d == '{', key: d == '{', seen: map[string]bool{}})
	}
	return nil
}

func (l *level) name(key string, top bool, known map[string]bool) error {
	if top && !known[key] {
		return bad("unknown field" + quoteField(key))
	}
	if l.seen[key] {
		return bad("duplicate field" + quoteField(key))
	}
	l.seen[key] = true
	return nil
}

// quoteField names a field that a client sent, where it looks like one: letters
// and "_". A key, a token or a passphrase that stands there by mistake does not.
func quoteField(key string) string {
	other := func(r rune) bool { return notInName(r) || strings.ContainsRune("0123456789.-", r) }
	if len(key) > 24 || strings.ContainsFunc(key, other) {
		return ""
	}
	return fmt.Sprintf(" %q", key)
}
