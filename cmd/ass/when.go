package main

import (
	"errors"
	"time"

	"github.com/agent-secret-store/assd/vault/api"
)

var errExpiry = errors.New("must be a time from now (90d, 12h), a date (2027-03-01), a time (2027-03-01T12:00:00Z) or never, and not past")

// parseExpiry reads a time from now, a date, which is its last moment in UTC, an RFC
// 3339 time, or never, which is nil. It has to be to come.
func parseExpiry(s string, now time.Time) (*time.Time, error) {
	if s == "never" {
		return nil, nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		if t, err = time.Parse(time.DateOnly, s); err == nil {
			t = t.AddDate(0, 0, 1).Add(-time.Second)
		}
	}
	if err != nil && s != "" && (s[len(s)-1] < '0' || s[len(s)-1] > '9') { // bare seconds are too easily meant otherwise
		var ttl api.TTL
		ttl, err = api.ParseTTL(s)
		t = now.Add(time.Duration(ttl))
	}
	if t = t.UTC().Truncate(time.Second); err != nil || !t.After(now) || t.Year() > 9999 { // which RFC 3339 cannot tell
		return nil, errExpiry
	}
	return &t, nil
}

var errWhen = errors.New("must be a date (2026-03-01), a time (2026-03-01T12:00:00Z) or an age (1h, 7d)")

// parseWhen reads a date, an RFC 3339 time, or an age, which counts back from
// now; "" is the zero time. A date is its first moment in UTC, or its last when
// endOfDay is set.
func parseWhen(s string, now time.Time, endOfDay bool) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t.UTC(), nil
	}
	if t, err := time.Parse(time.DateOnly, s); err == nil {
		if endOfDay {
			t = t.AddDate(0, 0, 1).Add(-time.Nanosecond)
		}
		return t, nil
	}
	if last := s[len(s)-1]; last >= '0' && last <= '9' {
		return time.Time{}, errWhen // bare seconds are a lifetime, not an age
	}
	age, err := api.ParseTTL(s)
	if err != nil {
		return time.Time{}, errWhen
	}
	return now.Add(-time.Duration(age)).UTC(), nil
}
