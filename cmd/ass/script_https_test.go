package main_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"
)

// httpsCmd is "https NAME", which serves with NAME.pem and NAME.key until the
// script ends and writes a line for each request to NAME.log: method, host, path,
// who the client's certificate is of, body. It answers 401 unless NAME.want, if
// there is one, has the bearer token. ~/.curlrc then leads curl there, whatever the host.
func httpsCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: https name")
	}
	name := args[0]
	pair, err := tls.LoadX509KeyPair(ts.MkAbs(name+".pem"), ts.MkAbs(name+".key"))
	ts.Check(err)
	s := httptest.NewUnstartedServer(&recorder{log: ts.MkAbs(name + ".log"), want: ts.MkAbs(name + ".want")})
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS12}
	s.StartTLS()
	ts.Defer(s.Close)
	rc := fmt.Sprintf("connect-to = \"::%s\"\ncacert = %q\n", s.Listener.Addr(), ts.MkAbs(name+".pem"))
	ts.Check(os.WriteFile(ts.Getenv("HOME")+"/.curlrc", []byte(rc), 0o600))
}

type recorder struct {
	mu        sync.Mutex
	log, want string // files
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	body, _ := io.ReadAll(io.LimitReader(req.Body, 1<<20))
	line := fmt.Sprintf("%s %s%s %s %s\n", req.Method, req.Host, req.URL.Path, subjectOf(req.TLS.PeerCertificates), body)
	f, err := os.OpenFile(r.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.WriteString(line)
		f.Close()
	}
	want, none := os.ReadFile(r.want)
	switch {
	case err != nil:
		http.Error(w, err.Error(), http.StatusInternalServerError)
	case none == nil && req.Header.Get("Authorization") != "Bearer "+strings.TrimSpace(string(want)):
		w.WriteHeader(http.StatusUnauthorized)
	default:
		fmt.Fprint(w, "ok\n")
	}
}

func subjectOf(chain []*x509.Certificate) string {
	if len(chain) == 0 {
		return "-"
	}
	return chain[0].Subject.CommonName
}
