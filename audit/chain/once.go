package chain

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
)

// onceEach says which member of an event, or of an object in it, comes twice. Of two,
// some readers take the first and some the last, and encoding/json takes "Action" for
// "action": what one is shown, another would not be. The daemon writes none twice.
// event is well-formed JSON.
func onceEach(event []byte) error {
	o := onceReader{dec: json.NewDecoder(bytes.NewReader(event))}
	return o.value(Fold)
}

type onceReader struct{ dec *json.Decoder }

// value reads one, in whose objects names are the same where same makes them so.
func (o *onceReader) value(same func(string) string) error {
	t, err := o.dec.Token()
	if err != nil {
		return err
	}
	switch t {
	case json.Delim('{'):
		return o.object(same)
	case json.Delim('['):
		for o.dec.More() {
			if err := o.value(same); err != nil {
				return err
			}
		}
		_, err = o.dec.Token()
	}
	return err
}

func (o *onceReader) object(same func(string) string) error {
	seen := map[string]bool{}
	for o.dec.More() {
		t, err := o.dec.Token()
		if err != nil {
			return err
		}
		name, _ := t.(string)
		if key := same(name); seen[key] {
			return fmt.Errorf("its member %.40q comes twice", name)
		} else {
			seen[key] = true
		}
		below := same
		if Fold(name) == Fold("records") { // of a map, not of a struct: case matters
			below = func(s string) string { return s }
		}
		if err := o.value(below); err != nil {
			return err
		}
	}
	_, err := o.dec.Token()
	return err
}

// Fold makes the same of all texts that are equal regardless of case, in the sense of
// strings.EqualFold.
func Fold(s string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			least = min(least, f)
		}
		return least
	}, s)
}
