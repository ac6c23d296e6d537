package main_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/agent-secret-store/assd/vault/api"
)

// What a daemon tells is printed only when it is a certificate, and with its
// own fingerprint: it goes into commands that people copy.
func TestVaultCertPrintsCertificatesOnly(t *testing.T) {
	srv := httptest.NewTLSServer(nil)
	srv.Close()
	cert := srv.Certificate()
	block := pemOf("CERTIFICATE", cert.Raw)
	for _, tc := range []struct {
		name   string
		answer api.Certificate
		want   string // "" means an error
	}{
		{"one", api.Certificate{Certificate: block, Fingerprint: api.Fingerprint(cert)}, block},
		{"text around it", api.Certificate{Certificate: "\x1b[2K\n" + block + "evil\n", Fingerprint: api.Fingerprint(cert)}, block},
		{"none", api.Certificate{Certificate: "x", Fingerprint: api.Fingerprint(cert)}, ""},
		{"a key", api.Certificate{Certificate: block + pemOf("PRIVATE KEY", cert.Raw), Fingerprint: api.Fingerprint(cert)}, ""},
		{"bytes that are none", api.Certificate{Certificate: block + pemOf("CERTIFICATE", []byte("x")), Fingerprint: api.Fingerprint(cert)}, ""},
		{"another fingerprint", api.Certificate{Certificate: block, Fingerprint: "sha256:$(evil)"}, ""},
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "" {
				t.Errorf("%s: a key was sent", tc.name)
			}
			json.NewEncoder(w).Encode(tc.answer)
		}))
		stdout, stderr, code := ass(t, srv.URL, "vault", "cert")
		srv.Close()
		if stdout != tc.want || (code == 0) != (tc.want != "") {
			t.Errorf("%s: exit code %d, stdout %q, stderr %q", tc.name, code, stdout, stderr)
		}
	}
}
