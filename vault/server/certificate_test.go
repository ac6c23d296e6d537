package server_test

import (
	"strings"
	"testing"

	"github.com/agent-secret-store/assd/vault/api"
)

// TestCertificate: anybody may have what a handshake shows, and no more.
func TestCertificate(t *testing.T) {
	r := startTLS(t, nil)
	for _, key := range []string{"", r.owner, "ask_live_nobody"} {
		rep, res := r.ask(r.client(true), "GET", "/v1/vault/certificate", key, "")
		got := into[api.Certificate](r.daemon, rep)
		if got != r.keeper.Certificate() || got.Fingerprint != api.Fingerprint(res.TLS.PeerCertificates[0]) {
			t.Errorf("got %+v", got)
		}
		if strings.Contains(got.Certificate, "PRIVATE") || strings.Count(got.Certificate, "-----BEGIN CERTIFICATE-----") != 1 {
			t.Error(got.Certificate)
		}
	}
	rep, _ := r.ask(r.client(false), "GET", "/v1/vault/certificate?x=1", "", "")
	r.want(rep, "VALIDATION_ERROR")
	// The first server of this vault serves the socket alone.
	r.want(r.call("GET", "/v1/vault/certificate", "", ""), "NOT_FOUND")
}
