package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// TTL is a lifetime as it is written on the wire and on the command line: a
// whole number with a unit ("90s", "15m", "1h", "7d") or a number of seconds.
type TTL time.Duration

// ErrTTL says how a lifetime is written.
var ErrTTL = errors.New(`ttl must be a whole number with a unit like "15m", "1h" or "7d", or a number of seconds`)

var ttlUnits = map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour}

// ParseTTL reads "90s", "15m", "1h", "7d" or bare seconds. It wants one to nine
// digits, no sign, no blanks, and more than zero.
func ParseTTL(s string) (TTL, error) {
	unit, digits := time.Second, s
	if n := len(s); n > 0 {
		if u, ok := ttlUnits[s[n-1]]; ok {
			unit, digits = u, s[:n-1]
		}
	}
	if len(digits) == 0 || len(digits) > 9 {
		return 0, ErrTTL
	}
	n := int64(0)
	for _, c := range []byte(digits) {
		if c < '0' || c > '9' {
			return 0, ErrTTL
		}
		n = n*10 + int64(c-'0')
	}
	if n == 0 || n > int64(maxTTL/unit) {
		return 0, ErrTTL
	}
	return TTL(time.Duration(n) * unit), nil
}

// maxTTL is the longest lifetime that can be written, a hundred years; policy
// bounds it much lower.
const maxTTL = 100 * 365 * 24 * time.Hour

// String prints t in its largest whole unit; ParseTTL reads it back.
func (t TTL) String() string {
	d := time.Duration(t)
	for _, u := range []byte("dhm") {
		if unit := ttlUnits[u]; d%unit == 0 && d != 0 {
			return fmt.Sprintf("%d%c", d/unit, u)
		}
	}
	return strconv.FormatInt(int64(d/time.Second), 10) + "s"
}

// MarshalJSON writes t as text.
func (t TTL) MarshalJSON() ([]byte, error) { return json.Marshal(t.String()) }

// UnmarshalJSON takes text or a whole number of seconds.
func (t *TTL) UnmarshalJSON(b []byte) error {
	s := string(b)
	if len(b) > 0 && b[0] == '"' {
		if err := json.Unmarshal(b, &s); err != nil {
			return ErrTTL
		}
	}
	v, err := ParseTTL(s)
	if err != nil {
		return err
	}
	*t = v
	return nil
}
