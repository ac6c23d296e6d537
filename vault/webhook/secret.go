package webhook

import (
	"crypto/hmac"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Secret is what a message is signed with. It prints as [REDACTED].
type Secret struct {
	key func() []byte // no ==
}

const secretPrefix = "whsec_"

// ParseSecrets reads the text of a secret file: a line with a secret, whsec_ and 24 to
// 64 bytes in base64, and perhaps a second one, with which messages are signed as
// well while receivers change over. No error repeats any of it.
func ParseSecrets(text []byte) ([]Secret, error) {
	var all []Secret
	for line := range strings.Lines(strings.TrimSpace(string(text))) {
		s, err := parseSecret(strings.TrimSpace(line))
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", len(all)+1, err)
		}
		if all = append(all, s); len(all) > secretsEach {
			return nil, errors.New("it has more than two lines")
		}
	}
	if len(all) == 0 {
		return nil, errors.New("it is empty")
	}
	return all, nil
}

func parseSecret(s string) (Secret, error) {
	encoded, ok := strings.CutPrefix(s, secretPrefix)
	if !ok {
		return Secret{}, errors.New(`it does not begin with "whsec_"`)
	}
	key, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return Secret{}, errors.New(`what follows "whsec_" is no base64`)
	}
	if len(key) < minKey || len(key) > maxKey {
		return Secret{}, fmt.Errorf("it has %d bytes; %d to %d are expected", len(key), minKey, maxKey)
	}
	return Secret{key: func() []byte { return key }}, nil
}

// Equal reports whether both lists are the same.
func Equal(a, b []Secret) bool {
	return slices.EqualFunc(a, b, func(x, y Secret) bool { return hmac.Equal(x.key(), y.key()) })
}

const redacted = "[REDACTED]"

// Format prints no secret, whatever the verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// MarshalJSON fails: a secret is never written anywhere.
func (Secret) MarshalJSON() ([]byte, error) {
	return nil, errors.New("a webhook's secret is not written")
}
