package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// await FILE TEXT [COUNT]: waits until the text stands in the file, that often.
func await(ts *testscript.TestScript, _ bool, args []string) {
	want := 1
	if len(args) > 2 {
		var err error
		want, err = strconv.Atoi(args[2])
		ts.Check(err)
	}
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		if strings.Count(ts.ReadFile(args[0]), args[1]) >= want {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	ts.Fatalf("%s does not say %q %d times:\n%s", args[0], args[1], want, ts.ReadFile(args[0]))
}

var servingTLS = regexp.MustCompile(`serving TLS: address=\S*:(\d+) fingerprint=(sha256:[0-9a-f]{64})`)

// address NAME: puts the port on which a daemon serves TLS and the fingerprint
// that it logged into PORT and FINGERPRINT.
func address(ts *testscript.TestScript, _ bool, args []string) {
	m := servingTLS.FindStringSubmatch(ts.ReadFile(args[0] + ".err"))
	if m == nil {
		ts.Fatalf("%s does not say where it serves TLS:\n%s", args[0], ts.ReadFile(args[0]+".err"))
	}
	ts.Setenv("PORT", m[1])
	ts.Setenv("FINGERPRINT", m[2])
}

// hup NAME: sends SIGHUP to a daemon, which goes on.
func hup(ts *testscript.TestScript, _ bool, args []string) {
	d := ts.Value(daemons{}).(map[string]*process)[args[0]]
	ts.Check(d.cmd.Process.Signal(syscall.SIGHUP))
}

// pair CERT KEY NAME [CA-CERT CA-KEY]: makes a certificate for the name and its
// key, by itself or by the CA. Each file is replaced as a whole.
func pair(ts *testscript.TestScript, _ bool, args []string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	tmpl := &x509.Certificate{
		Subject: pkix.Name{CommonName: args[2]}, DNSNames: []string{args[2]}, IsCA: len(args) == 3, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(365 * 24 * time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	parent, by := tmpl, crypto.Signer(key)
	if len(args) > 3 {
		ca, err := tls.LoadX509KeyPair(ts.MkAbs(args[3]), ts.MkAbs(args[4]))
		ts.Check(err)
		parent, by = ca.Leaf, ca.PrivateKey.(crypto.Signer)
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, key.Public(), by)
	ts.Check(err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	ts.Check(err)
	for path, b := range map[string]*pem.Block{args[0]: {Type: "CERTIFICATE", Bytes: der}, args[1]: {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		path = ts.MkAbs(path)
		ts.Check(os.WriteFile(path+".tmp", pem.EncodeToMemory(b), 0o600))
		ts.Check(os.Rename(path+".tmp", path))
	}
}

// tls ANCHOR METHOD TARGET STATUS [CERT KEY]: asks the daemon on PORT over TLS,
// trusting the anchor, with the key in KEY, and prints what it answers. With ! it
// must fail before there is an answer.
func secure(ts *testscript.TestScript, neg bool, args []string) {
	cfg := &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "localhost"}
	cfg.RootCAs.AppendCertsFromPEM([]byte(ts.ReadFile(args[0])))
	if len(args) > 4 {
		cert, err := tls.LoadX509KeyPair(ts.MkAbs(args[4]), ts.MkAbs(args[5]))
		ts.Check(err)
		cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }
	}
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: cfg, DisableKeepAlives: true, ForceAttemptHTTP2: true}}
	req, err := http.NewRequest(args[1], "https://127.0.0.1:"+ts.Getenv("PORT")+args[2], nil)
	ts.Check(err)
	req.Header.Set("Authorization", "Bearer "+ts.Getenv("KEY"))
	res, err := client.Do(req)
	if neg {
		if err == nil {
			ts.Fatalf("it was answered with %d", res.StatusCode)
		}
		fmt.Fprintln(ts.Stderr(), err)
		return
	}
	ts.Check(err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	ts.Check(err)
	fmt.Fprint(ts.Stdout(), string(b))
	if strconv.Itoa(res.StatusCode) != args[3] {
		ts.Fatalf("%s %s: %d %s; want %s", args[1], args[2], res.StatusCode, b, args[3])
	}
}
