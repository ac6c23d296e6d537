package main

import (
	"testing"
	"time"
)

func TestParseWhen(t *testing.T) {
	now := time.Date(2026, 3, 14, 13, 0, 0, 0, time.FixedZone("", 3600))
	for _, tc := range []struct{ in, since, until string }{
		{"2026-03-01", "2026-03-01T00:00:00Z", "2026-03-01T23:59:59.999999999Z"},
		{"2024-02-29", "2024-02-29T00:00:00Z", "2024-02-29T23:59:59.999999999Z"},
		{"2026-03-01T12:00:00+02:00", "2026-03-01T10:00:00Z", "2026-03-01T10:00:00Z"},
		{"2026-03-01T12:00:00.5Z", "2026-03-01T12:00:00.5Z", "2026-03-01T12:00:00.5Z"},
		{"1h", "2026-03-14T11:00:00Z", "2026-03-14T11:00:00Z"},
		{"7d", "2026-03-07T12:00:00Z", "2026-03-07T12:00:00Z"},
		{"90s", "2026-03-14T11:58:30Z", "2026-03-14T11:58:30Z"},
	} {
		for _, end := range []bool{false, true} {
			want := tc.since
			if end {
				want = tc.until
			}
			got, err := parseWhen(tc.in, now, end)
			if err != nil || got.Format(time.RFC3339Nano) != want {
				t.Errorf("parseWhen(%q, endOfDay=%v) = %v, %v; want %s", tc.in, end, got, err, want)
			}
		}
	}
	if got, err := parseWhen("", now, true); err != nil || !got.IsZero() {
		t.Errorf("nothing became %v, %v", got, err)
	}
	for _, bad := range []string{"now", "2026", "12", "0d", "-1h", "1.5h", "1h30m", "2026-02-30", "2026-3-1", "2026-03-01 12:00", "2026-03-01T12:00:00", " 1h"} {
		if got, err := parseWhen(bad, now, false); err == nil {
			t.Errorf("parseWhen(%q) = %v", bad, got)
		}
	}
}

func FuzzParseWhen(f *testing.F) {
	now := time.Date(2026, 3, 14, 13, 0, 0, 0, time.UTC)
	for _, s := range []string{"", "2026-03-01", "2026-03-01T12:00:00Z", "1h", "7d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		since, err := parseWhen(s, now, false)
		if err != nil {
			return
		}
		until, err := parseWhen(s, now, true)
		if err != nil || until.Before(since) {
			t.Fatalf("%q: until %v, %v, is before since %v", s, until, err, since)
		}
		again, err := parseWhen(since.Format(time.RFC3339Nano), now, false)
		if s != "" && (err != nil || !again.Equal(since)) {
			t.Fatalf("%q became %v, which became %v, %v", s, since, again, err)
		}
	})
}

func TestParseExpiry(t *testing.T) {
	now := time.Date(2026, 3, 14, 13, 0, 0, 5, time.FixedZone("", 3600))
	for in, want := range map[string]string{
		"90d": "2026-06-12T12:00:00Z", "12h": "2026-03-15T00:00:00Z", "90s": "2026-03-14T12:01:30Z",
		"2026-03-14": "2026-03-14T23:59:59Z", "2027-03-01": "2027-03-01T23:59:59Z", "9999-12-31": "9999-12-31T23:59:59Z",
		"2027-03-01T12:00:00+02:00": "2027-03-01T10:00:00Z", "2027-03-01T12:00:00.9Z": "2027-03-01T12:00:00Z",
	} {
		if got, err := parseExpiry(in, now); err != nil || got.Format(time.RFC3339Nano) != want {
			t.Errorf("parseExpiry(%q) = %v, %v; want %s", in, got, err, want)
		}
	}
	if got, err := parseExpiry("never", now); err != nil || got != nil {
		t.Errorf("never became %v, %v", got, err)
	}
	for _, bad := range []string{
		"", "now", "Never", "90", "0d", "-1h", "1.5h", "1h30m", "2026-03-13", "2026-03-14T12:00:00Z", "2026-02-30", "2027-3-1", "2027-03-01 12:00",
		"2027-03-01T12:00:00", "9999-12-31T23:59:59-01:00", "10000-01-01", " 1h", "999999999d",
	} {
		if got, err := parseExpiry(bad, now); err == nil {
			t.Errorf("parseExpiry(%q) = %v", bad, got)
		}
	}
}

func FuzzParseExpiry(f *testing.F) {
	now := time.Date(2026, 3, 14, 13, 0, 0, 0, time.UTC)
	for _, s := range []string{"", "never", "2027-03-01", "2027-03-01T12:00:00Z", "1h", "7d", "9999-12-31T23:59:59-01:00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := parseExpiry(s, now)
		if err != nil || got == nil {
			return
		}
		if !got.After(now) {
			t.Fatalf("%q became %v, which is past", s, got)
		}
		again, err := parseExpiry(got.Format(time.RFC3339Nano), now)
		if err != nil || !again.Equal(*got) {
			t.Fatalf("%q became %v, which became %v, %v", s, got, again, err)
		}
	})
}
