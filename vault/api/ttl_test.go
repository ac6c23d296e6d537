package api_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/vault/api"
)

func TestParseTTL(t *testing.T) {
	good := map[string]time.Duration{
		"90s": 90 * time.Second, "15m": 15 * time.Minute, "1h": time.Hour, "7d": 7 * 24 * time.Hour,
		"900": 15 * time.Minute, "1": time.Second, "0015m": 15 * time.Minute, "36500d": 36500 * 24 * time.Hour,
	}
	for s, want := range good {
		if got, err := api.ParseTTL(s); err != nil || time.Duration(got) != want {
			t.Errorf("%q: %v, %v; want %v", s, got, err, want)
		}
	}
	for _, s := range []string{
		"", "m", "0", "0s", "-1m", "+1m", "1.5h", "1e3", " 1m", "1m ", "1 m", "1w", "1M", "1hm",
		"36501d", "1000000000", "99999999999999999999", "٣m", "0x10",
	} {
		if got, err := api.ParseTTL(s); err == nil {
			t.Errorf("%q is read as %v", s, got)
		}
	}
}

func TestTTLAsJSON(t *testing.T) {
	for in, want := range map[string]string{
		`"15m"`: `"15m"`, `900`: `"15m"`, `"900"`: `"15m"`, `86400`: `"1d"`, `61`: `"61s"`,
	} {
		var ttl api.TTL
		if err := json.Unmarshal([]byte(in), &ttl); err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if out, err := json.Marshal(ttl); err != nil || string(out) != want {
			t.Errorf("%s: %s, %v; want %s", in, out, err, want)
		}
	}
	for _, in := range []string{`1.5`, `-1`, `1e3`, `true`, `{}`, `[]`, `"x"`, `""`} {
		var ttl api.TTL
		if err := json.Unmarshal([]byte(in), &ttl); err == nil {
			t.Errorf("%s is read as %v", in, ttl)
		}
	}
}

func FuzzParseTTL(f *testing.F) {
	for _, s := range []string{"15m", "1h", "7d", "900", "0", "9999999999d", "1h30m", "-5m"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ttl, err := api.ParseTTL(s)
		if err != nil {
			return
		}
		if ttl <= 0 {
			t.Fatalf("%q is read as %d", s, ttl)
		}
		again, err := api.ParseTTL(ttl.String())
		if err != nil || again != ttl {
			t.Errorf("%q prints as %q, which reads as %v, %v", s, ttl, again, err)
		}
	})
}
