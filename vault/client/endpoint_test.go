package client_test

import (
	"strings"
	"testing"

	"github.com/agent-secret-store/assd/vault/client"
)

func TestParseURL(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"unix:///run/assd/assd.sock", "unix:///run/assd/assd.sock"},
		{"unix:///run//x/../assd/./assd.sock", "unix:///run/assd/assd.sock"},
		{"unix:///a b", "unix:///a b"},
		{"https://Vault.Example.COM", "https://vault.example.com"},
		{"https://vault.example.com:443/", "https://vault.example.com"},
		{"https://vault.example.com:8443", "https://vault.example.com:8443"},
		{"HTTPS://[2001:DB8::1]:8443/", "https://[2001:db8::1]:8443"},
		{"http://localhost:8200", "http://localhost:8200"},
		{"http://127.0.0.1", "http://127.0.0.1"},
		{"http://[::1]:80", "http://[::1]"},
	} {
		got, err := client.ParseURL(tc.in)
		if err != nil || got.String() != tc.want {
			t.Errorf("ParseURL(%q) = %q, %v; want %q", tc.in, got, err, tc.want)
		}
	}
	for _, bad := range []string{
		"", "unix://", "unix:relative", "unix://relative/path", "unix:///a\nb", "ask_live_0123456789secret",
		"http://vault.example.com", "http://10.0.0.1", "http://127.0.0.1.example.com", "https://", "ftp://localhost",
		"https://user:secret@host", "https://host/path", "https://host?x=1", "https://host?", "https://host#x",
		"https:host", "//host", "https://host:port", "https://[fe80::1%25eth0]", "https://ho%41st", "https://:443",
	} {
		_, err := client.ParseURL(bad)
		if err == nil {
			t.Errorf("ParseURL(%q) is taken", bad)
		} else if bad != "" && strings.Contains(err.Error(), "secret") {
			t.Errorf("ParseURL(%q) repeats it: %v", bad, err)
		}
	}
}

func FuzzParseURL(f *testing.F) {
	for _, s := range []string{"unix:///run/assd.sock", "https://host:1", "http://[::1]:80/", "https://[fe80::1%25eth0]:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		e, err := client.ParseURL(s)
		if err != nil {
			return
		}
		again, err := client.ParseURL(e.String())
		if err != nil || again != e {
			t.Errorf("%q became %q, which became %q, %v", s, e, again, err)
		}
	})
}
