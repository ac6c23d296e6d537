package server_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// FuzzRawRequest sends bytes as they are to a real socket, with a key's holder
// behind them or without: whatever comes, the answers are HTTP and ours or
// net/http's own 4xx, nothing panics, and the next connection is served.
func FuzzRawRequest(f *testing.F) {
	d := start(f)
	key := "Authorization: Bearer " + d.owner + "\r\n"
	for _, s := range []string{
		"GET /v1/health HTTP/1.1\r\nHost: h\r\n\r\n",
		"GET /v1/secrets/a/K HTTP/1.1\r\nHost: h\r\n" + key + "\r\n",
		"PUT /v1/secrets/a/K HTTP/1.1\r\nHost: h\r\n" + key + "Content-Length: 13\r\n\r\n{\"value\":\"v\"}",
		"PUT /v1/secrets/a/K HTTP/1.1\r\nHost: h\r\n" + key + "Content-Length: 99\r\n\r\n{\"value\":",
		"PUT /v1/secrets/a%2Fb/K HTTP/1.1\r\nHost: h\r\n" + key + "Transfer-Encoding: chunked\r\n\r\nd\r\n{\"value\":\"v\"}\r\n0\r\n\r\n",
		"PUT /v1/secrets/a/K HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nfffffffffffffffff\r\n",
		"POST /v1/tokens HTTP/1.1\r\nHost: h\r\n" + key + "Content-Length: 40\r\n\r\n{\"scopes\":[\"read:secrets\"],\"ttl\":1e400}  ",
		"POST /v1/secrets/import HTTP/1.1\r\nHost: h\r\n" + key + "Content-Length: 36\r\n\r\n{\"namespace\":\"a\",\"content\":\"A=b\\nC='\"}",
		"POST /v1/approvals/apr_aaaaaaaa/approve HTTP/1.1\r\nHost: h\r\n" + key + "\r\n",
		"GET /v1/secrets/a%252Fb/%2e%2e/%00 HTTP/1.1\r\nHost: h\r\n\r\n",
		"GET /v1/audit?limit=99999999999999999999&page=%zz HTTP/1.1\r\nHost: h\r\n" + key + "\r\n",
		"GET / HTTP/1.1\r\nHost: h\r\nX: " + strings.Repeat("x", 40<<10) + "\r\n\r\n",
		"GET /v1/health HTTP/1.1\r\nHost: h\r\n\r\nGET /v1/me HTTP/1.1\r\nHost: h\r\n\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "GET / HTTP/9.9\r\n\r\n", "GET\x00/ HTTP/1.1\r\n\r\n", "\r\n\r\n", "",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		for n, r := range d.exchange(t, raw) {
			if problem := rawFault(r); problem != "" {
				t.Fatalf("answer %d to %.300q: %s: %d %v %.300s", n, raw, problem, r.status, r.header, r.body)
			}
			if r.status >= 300 && bytes.Contains(r.body, []byte(d.owner)) {
				t.Fatalf("answer %d to %.300q holds the key", n, raw)
			}
		}
		if next := d.exchange(t, []byte("GET /v1/health HTTP/1.1\r\nHost: h\r\n\r\n")); len(next) != 1 || next[0].status != http.StatusOK {
			t.Fatalf("after %.300q health is %v", raw, next)
		}
	})
}

// rawFault is faultOf for an answer that may be net/http's own.
func rawFault(r reply) string {
	if strings.HasPrefix(r.header.Get("Content-Type"), "text/plain") && r.status >= 400 && r.status < 506 && r.header.Get("X-Request-Id") == "" {
		return ""
	}
	if r.code() == "INTERNAL" {
		return "an internal error"
	}
	return faultOf(r)
}

// exchange sends raw, says that no more comes, and reads all whole answers.
func (d *daemon) exchange(t *testing.T, raw []byte) (out []reply) {
	t.Helper()
	c, err := net.Dial("unix", d.socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(8 * time.Second)) // a silent one would be closed after ten
	go func() {
		c.Write(raw)
		c.(*net.UnixConn).CloseWrite()
	}()
	for in := bufio.NewReader(c); ; {
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			if ne := net.Error(nil); errors.As(err, &ne) && ne.Timeout() {
				t.Fatalf("%.300q: neither an answer nor an end in eight seconds", raw)
			}
			return out
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil {
			return out // cut off, as HEAD's answers look too
		}
		out = append(out, reply{res.StatusCode, res.Header, body})
	}
}
