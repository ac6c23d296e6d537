package main

import "testing"

func TestNearest(t *testing.T) {
	known := append([]string{"listen", "log-level", "log-format", "socket", "socket-group", "tls-cert", "tls-key", "tls-san"}, limitNames...)
	for name, want := range map[string]string{
		"listne": "listen", "Listen": "listen", "log_level": "log-level", "loglevel": "log-level", "sockets": "socket",
		"socket_groups": "socket-group", "tls-certs": "tls-cert", "requests-per-sec": "requests_per_second", "failed_auth": "",
		"": "", "x": "", "sort": "", "\x00": "", "policy": "", "tenant": "", "serve": "", "é": "",
	} {
		if got := nearest(name, known); got != want {
			t.Errorf("%q: %q; want %q", name, got, want)
		}
	}
}

// TestDistance: against the definition, word by word.
func TestDistance(t *testing.T) {
	words := []string{"", "a", "ab", "ba", "abc", "acb", "kitten", "sitting", "listen", "silent"}
	var slow func(a, b string) int
	slow = func(a, b string) int {
		if a == "" || b == "" {
			return len(a) + len(b)
		}
		if a[0] == b[0] {
			return slow(a[1:], b[1:])
		}
		return 1 + min(slow(a[1:], b), slow(a, b[1:]), slow(a[1:], b[1:]))
	}
	for _, a := range words {
		for _, b := range words {
			if got, want := distance(a, b), slow(a, b); got != want {
				t.Errorf("from %q to %q: %d; want %d", a, b, got, want)
			}
		}
	}
}
