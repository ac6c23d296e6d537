package webhook_test

import (
	"strings"
	"testing"

	"github.com/agent-secret-store/assd/vault/webhook"
)

func TestParseURL(t *testing.T) {
	for in, want := range map[string]string{
		"https://hooks.example.com/ass?x=1": "https://hooks.example.com", "HTTPS://Hooks.Example.COM": "https://hooks.example.com",
		"https://10.1.2.3:8443/x": "https://10.1.2.3:8443", "http://127.0.0.1:80/": "http://127.0.0.1:80", "http://[::1]:9/x": "http://[::1]:9",
		"http://localhost": "http://localhost", "http://LOCALHOST:1": "http://localhost:1", "http://127.9.9.9": "http://127.9.9.9",
	} {
		u, err := webhook.ParseURL(in)
		if err != nil || u.String() != want {
			t.Errorf("%s: %s, %v", in, u, err)
		}
	}
	for in, want := range map[string]string{
		"": "https", "hooks.example.com/T0KEN": "https://", "ftp://h/T0KEN": "https://", "https:///T0KEN": "no host", "https:T0KEN": "no URL", "https://h:0/T0KEN": "port", "https://h:/T0KEN": "port",
		"https://h:99999/T0KEN": "port", "https://h:x/T0KEN": "no URL", "https://T0KEN@h/": "user name", "https://T0KEN:p@h/": "user name", "https://h/#T0KEN": "fragment", "https://h/#": "fragment",
		"http://hooks.example.com/T0KEN": "use https", "http://10.0.0.1/T0KEN": "use https", "http://127.0.0.1.example.com/T0KEN": "use https", "http://localhost.example.com/T0KEN": "use https", "http://[::2]/T0KEN": "use https",
		"https://h/ T0KEN": "no URL", "https://h/\nT0KEN": "no URL", "https://h/é": "no URL", "https://[fe80::1%25eth0]/T0KEN": "host", "https://h/" + strings.Repeat("T0KEN", 500): "2048",
		"http://127.1/T0KEN": "use https", "http://0x7f.1/T0KEN": "use https",
	} {
		if u, err := webhook.ParseURL(in); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "T0KEN") {
			t.Errorf("%s: %s, %v; want %q", in, u, err, want)
		}
	}
}

func TestParseSecrets(t *testing.T) {
	for _, ok := range []string{secretText(24), secretText(64), secretText(32) + "\n", "\n" + secretText(32) + "\r\n" + secretText(33) + "\n\n"} {
		if _, err := webhook.ParseSecrets([]byte(ok)); err != nil {
			t.Errorf("%q: %v", ok, err)
		}
	}
	for in, want := range map[string]string{
		"": "empty", " \n": "empty", "hunter2": `line 1: it does not begin with "whsec_"`, secretText(23): "line 1: it has 23 bytes; 24 to 64", secretText(65): "65 bytes",
		"whsec_": "0 bytes", "whsec_hunter2!": "no base64", secretText(32) + "\nhunter2": "line 2", secretText(32) + "\n" + secretText(32) + "\n" + secretText(32): "more than two",
		strings.Replace(secretText(32), "c=", "d=", 1): "no base64", strings.TrimRight(secretText(32), "="): "no base64",
	} {
		if _, err := webhook.ParseSecrets([]byte(in)); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v; want %q", in, err, want)
		}
	}
}

func FuzzParseURL(f *testing.F) {
	for _, s := range []string{"https://hooks.example.com/ass?x=1", "http://[::1]:9/x", "http://127.0.0.1", "https://a:b@c/#d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := webhook.ParseURL(s)
		if err != nil {
			return
		}
		again, err := webhook.ParseURL(u.String())
		if err != nil || again.String() != u.String() || again.Host() != u.Host() || !u.Equal(u) {
			t.Errorf("%q: its origin %q is no URL, or another: %v", s, u, err)
		}
		if strings.HasPrefix(u.String(), "http:") && u.Host() != "localhost" && !strings.HasPrefix(u.Host(), "127.") && !strings.Contains(u.Host(), ":") {
			t.Errorf("%q goes elsewhere without TLS", s)
		}
	})
}

func FuzzParseSecrets(f *testing.F) {
	f.Add([]byte(secretText(32)))
	f.Add([]byte(secretText(24) + "\n" + secretText(64) + "\n"))
	f.Add([]byte("hunter2"))
	f.Fuzz(func(t *testing.T, b []byte) {
		one, err := webhook.ParseSecrets(b)
		if err != nil {
			return
		}
		two, err := webhook.ParseSecrets(b)
		if err != nil || !webhook.Equal(one, two) || len(one) < 1 || len(one) > 2 {
			t.Errorf("%d, %d, %v", len(one), len(two), err)
		}
	})
}
