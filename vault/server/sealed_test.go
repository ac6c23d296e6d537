package server_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/vault"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/server"
)

// sealedDaemon is a server on a socket with no vault behind it; unsealed counts who got so
// far as to have it opened.
func sealedDaemon(t *testing.T, may bool) (d *daemon, unsealed *int) {
	t.Helper()
	d, unsealed = &daemon{t: t, socket: filepath.Join(socketDir(t), "run", "s")}, new(int)
	d.srv = server.New(server.Config{
		Log: d.logger(), Version: "9.9.9",
		MayClaim: func(int) bool { return may },
		Unseal: func(context.Context, vault.Origin, *string) (api.Unsealed, error) {
			*unsealed++
			return api.Unsealed{Slot: "slt_aaaaaaaaaaaaaaaaaaaaaaaaaa"}, nil
		},
	})
	l, err := server.ListenUnix(server.SocketConfig{Path: d.socket})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- d.srv.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := d.srv.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		<-served
	})
	return d, unsealed
}

// TestWhoUnseals: on the socket only the user that the data belongs to has the vault
// opened; another is refused before the body is waited for, and has no passphrase tried.
func TestWhoUnseals(t *testing.T) {
	d, unsealed := sealedDaemon(t, false)
	d.want(d.call("POST", "/v1/vault/unseal", "", `{"passphrase":"correct horse battery"}`), "SCOPE_DENIED")
	c, err := net.Dial("unix", d.socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	if _, err := c.Write([]byte("POST /v1/vault/unseal HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 100\r\n\r\n{")); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 4096)
	if n, err := c.Read(answer); err != nil || !strings.HasPrefix(string(answer[:n]), "HTTP/1.1 403 ") {
		t.Errorf("before its body came it is answered %.100q, %v", answer[:n], err)
	}
	if *unsealed != 0 {
		t.Errorf("%d tries were made", *unsealed)
	}
	d, unsealed = sealedDaemon(t, true)
	d.want(d.call("POST", "/v1/vault/unseal", "", ""), "")
	if *unsealed != 1 {
		t.Errorf("%d tries were made, want 1", *unsealed)
	}
	d.want(d.call("GET", "/v1/health", "", ""), "")
}

// seals seals the vault, which its server then ends as assd has it end.
func (d *daemon) seals() {
	d.t.Helper()
	d.want(d.call("POST", "/v1/vault/seal", d.owner, ""), "")
	d.srv.Stop()
}

// copies are the files of backups that are being made.
func (d *daemon) copies() (names []string) {
	names, _ = filepath.Glob(filepath.Join(d.cfg.Dir, "vault.db.backup-*"))
	return names
}

// TestSealEndsWhatIsUnderWay: a backup that is being made is given up, an export that has
// begun is cut and says in its last line why; the client is told that the vault is sealed,
// and not that the daemon stops. Nothing of the backup stays.
func TestSealEndsWhatIsUnderWay(t *testing.T) {
	d := start(t)
	d.lengthen()
	res, done := d.open("/v1/audit/export", d.owner)
	defer done()
	answer := make(chan reply, 1)
	go func() {
		defer close(answer) // where there is none
		answer <- d.call("GET", "/v1/vault/backup", d.owner, "")
	}()
	for began := time.Now(); len(d.copies()) == 0; time.Sleep(time.Millisecond) {
		if time.Since(began) > patience {
			t.Fatal("no backup is being made")
		}
	}
	d.seals()
	d.want(<-answer, "SEALED")
	if left := d.copies(); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	body, err := io.ReadAll(res.Body)
	last := body[bytes.LastIndexByte(bytes.TrimSpace(body), '\n')+1:]
	if !errors.Is(err, io.ErrUnexpectedEOF) || !bytes.HasPrefix(last, []byte(`{"error":{"code":"SEALED"`)) || !bytes.Contains(last, []byte("ass vault unseal")) {
		t.Errorf("the export ends in %.300q, %v", last, err)
	}
	d.stop()
	d.serve(vault.Open)
}
