package server_test

import (
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"testing"
	"time"
)

// TestBackupsAreBounded: what is sent is what is said of it; one is made at a time, which
// a client that takes nothing keeps until it has gone; writing goes on meanwhile.
func TestBackupsAreBounded(t *testing.T) {
	d := start(t)
	d.lengthen()
	r := d.want(d.call("GET", "/v1/vault/backup", d.owner, ""), "")
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
	for i := 0; d.call("POST", "/v1/vault/backup", d.owner, "").status != 200; i++ {
		if i == 100 {
			t.Fatal("a client that has gone keeps its place")
		}
		time.Sleep(20 * time.Millisecond)
	}
}
