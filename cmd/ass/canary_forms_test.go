package main_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"strings"
	"sync"
	"testing"
	"unicode/utf16"
)

// canaries are texts that must not get anywhere, by the names that failures use for
// them.
type canaries map[string]string

// names are the canaries that stand in b in one form or another, each with the form.
func (c canaries) names(b []byte) map[string]string {
	found := map[string]string{}
	for name, text := range c {
		for form, needle := range formsOf(text) {
			if bytes.Contains(b, needle) {
				found[name] = form
			}
		}
	}
	return found
}

// shortest is the fewest bytes of a canary that are looked for by themselves.
const shortest = 12

// forms remembers what formsOf has made, by the text.
var forms sync.Map

// formsOf are the forms in which a text could get out. Its halves stand for a text
// that was cut.
func formsOf(text string) map[string][]byte {
	if made, ok := forms.Load(text); ok {
		return made.(map[string][]byte)
	}
	made := makeForms(text)
	forms.Store(text, made)
	return made
}

func makeForms(text string) map[string][]byte {
	lean, utf16le, utf16be := leanJSON(text), []byte{}, []byte{}
	for _, u := range utf16.Encode([]rune(text)) {
		utf16le = binary.LittleEndian.AppendUint16(utf16le, u)
		utf16be = binary.BigEndian.AppendUint16(utf16be, u)
	}
	full, _ := json.Marshal(text)
	forms := map[string][]byte{
		"raw": []byte(text), "JSON": bytes.Trim(full, `"`), "JSON without HTML's escapes": lean,
		"URL query": []byte(url.QueryEscape(text)), "URL path": []byte(url.PathEscape(text)),
		"hex": []byte(hex.EncodeToString([]byte(text))), "HEX": []byte(strings.ToUpper(hex.EncodeToString([]byte(text)))),
		"UTF-16LE": utf16le, "UTF-16BE": utf16be,
	}
	if len(text) >= 2*shortest {
		forms["its beginning"], forms["its end"] = []byte(text[:len(text)/2]), []byte(text[len(text)/2:])
	}
	for shift := range 3 {
		name := "base64, alignment " + string(rune('0'+shift))
		forms[name] = aligned(base64.RawStdEncoding, text, shift)
		forms[name+", for URLs"] = aligned(base64.RawURLEncoding, text, shift)
	}
	return forms
}

func leanJSON(text string) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.Encode(text)
	return bytes.Trim(b.Bytes(), "\"\n")
}

// aligned is what base64 has of a text that stands shift bytes behind a multiple of
// three: the characters that depend on nothing else.
func aligned(enc *base64.Encoding, text string, shift int) []byte {
	all := enc.EncodeToString(append(make([]byte, shift), text...))
	first, last := (shift*8+5)/6, (shift+len(text))*8/6
	return []byte(all[first:last])
}

// What is looked for is found in each form, with anything around it.
func TestCanaryForms(t *testing.T) {
	const text = `Tz4q"+&<é 9wLm0vBc8xKe3` // what escapes differ in
	c := canaries{"it": text}
	quoted, _ := json.Marshal("before " + text + " after")
	for name, b := range map[string][]byte{
		"raw": []byte("x" + text + "x"), "JSON": quoted, "lean JSON": leanJSON("<" + text + ">"),
		"query": []byte(url.Values{"a": {text}}.Encode()), "path": []byte("/v1/" + url.PathEscape(text) + "/"),
		"hex": []byte(hex.EncodeToString([]byte("ab" + text))), "cut": []byte("x" + text[:len(text)/2+1] + "…"),
		"base64 0": []byte(base64.StdEncoding.EncodeToString([]byte(text + "z"))),
		"base64 1": []byte(base64.StdEncoding.EncodeToString([]byte("a" + text + "zz"))),
		"base64 2": []byte(base64.URLEncoding.EncodeToString([]byte("\xff\xfe" + text))),
		"UTF-16":   append([]byte{0xff, 0xfe}, formsOf(text)["UTF-16LE"]...),
	} {
		if len(c.names(b)) == 0 {
			t.Errorf("it is not found as %s: %q", name, b)
		}
	}
	if found := c.names([]byte("nothing of the kind, Tz4q")); len(found) != 0 {
		t.Errorf("found where it is not: %v", found)
	}
}
