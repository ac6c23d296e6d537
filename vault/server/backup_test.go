package server_test

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/vault"
)

// TestBackupsAreBounded: what is sent is what is said of it; one is made at a time, which
// a client that takes nothing keeps until it has gone; writing goes on meanwhile.
func TestBackupsAreBounded(t *testing.T) {
	d := start(t)
	d.lengthen()
	c := d.dial()
	io.WriteString(c, "GET /v1/vault/backup HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer "+d.owner+"\r\n\r\n")
	for began := time.Now(); len(d.copies()) == 0; time.Sleep(time.Millisecond) {
		if time.Since(began) > patience {
			t.Fatal("no backup is being made")
		}
	}
	c.Close()
	d.backsUpAgain("a client that has gone while one was made for it")
	r := d.want(d.call("GET", "/v1/vault/backup", d.owner, ""), "") // at once
	sum := sha256.Sum256(r.body)
	if got := r.header.Get("Repr-Digest"); got != "sha-256=:"+base64.StdEncoding.EncodeToString(sum[:])+":" {
		t.Errorf("Repr-Digest %q of %x", got, sum)
	}
	if r.header.Get("Content-Length") != strconv.Itoa(len(r.body)) || r.header.Get("Assd-Slots") != "file" {
		t.Errorf("headers %v", r.header)
	}
	_, gone := d.open("/v1/vault/backup", d.owner)
	if r := d.want(d.call("GET", "/v1/vault/backup", d.owner, ""), "RATE_LIMITED"); r.header.Get("Retry-After") == "" {
		t.Error("it is not said when to try again")
	}
	d.put("a/MEANWHILE", "v")
	gone()
	d.backsUpAgain("a client that has gone")
}

// backsUpAgain waits until another backup may be made, and makes it.
func (d *daemon) backsUpAgain(after string) {
	d.t.Helper()
	for began := time.Now(); d.call("POST", "/v1/vault/backup", d.owner, "").status != 200; time.Sleep(20 * time.Millisecond) {
		if time.Since(began) > patience {
			d.t.Fatal(after + " keeps its place")
		}
	}
}

// TestBackupIsCutAtStop: a daemon that stops does not wait for the end of a backup, neither
// for a client that takes it slowly nor for one that takes nothing; what has come is told
// from the whole.
func TestBackupIsCutAtStop(t *testing.T) {
	for name, slow := range map[string]bool{"a slow client": true, "one that takes nothing": false} {
		t.Run(name, func(t *testing.T) {
			d := start(t)
			for i := range 3 {
				d.put("a/K"+strconv.Itoa(i), strings.Repeat("v", 1<<20))
			}
			res, done := d.open("/v1/vault/backup", d.owner)
			defer done()
			end := make(chan error, 1)
			if slow {
				go func() { end <- takes(res.Body, 30*time.Millisecond) }() // three seconds for all of it
				time.Sleep(50 * time.Millisecond)
			}
			d.stop() // which fails when it takes long
			if !slow {
				end <- takes(res.Body, 0)
			}
			if err := <-end; !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("the client got all, or was told %v", err)
			}
			d.serve(vault.Open)
		})
	}
}

// takes reads r to its end, with a pause behind each piece.
func takes(r io.Reader, pause time.Duration) error {
	for b := make([]byte, 64<<10); ; time.Sleep(pause) {
		if _, err := r.Read(b); err != nil {
			return err
		}
	}
}
