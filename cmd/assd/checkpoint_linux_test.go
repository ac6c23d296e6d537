package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/audit/chain"
	"github.com/agent-secret-store/assd/internal/testenv"
)

// TestCheckpointsConfined: a daemon that is confined appends to a file elsewhere, at its
// start and at its stop; what it appends is signed by the vault's key. A folder that is
// another one now is none of its own.
func TestCheckpointsConfined(t *testing.T) {
	dir := t.TempDir()
	etc, usb := filepath.Join(dir, "etc"), filepath.Join(dir, "usb")
	for _, d := range []string{etc, usb} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	config, points := filepath.Join(etc, "assd.toml"), filepath.Join(usb, "points")
	table := "[[checkpoint]]\nfile = \"" + points + "\"\n"
	place(t, config, table)
	v := startFull(t, filepath.Join(dir, "data"), "--config", config)
	me := v.want("GET", "/v1/me", v.owner, "", 200)
	if !strings.Contains(me, `"confined":"full"`) {
		testenv.Skip(t, "this system cannot confine a daemon in full: "+me)
	}
	first := v.checkpoint(points, me)
	if first.Seq < 2 || !strings.Contains(me, `"checkpoints":[{"to":"`+points+`"`) {
		t.Errorf("%+v: %s", first, me)
	}

	if err := errors.Join(os.Rename(usb, usb+".old"), os.Mkdir(usb, 0o700)); err != nil {
		t.Fatal(err)
	}
	place(t, config, table+"every = \"2h\"\n")
	v.said("points: it lies outside the folders that assd has kept itself to since its start: restart assd", 1)
	if err := errors.Join(os.Remove(usb), os.Rename(usb+".old", usb)); err != nil {
		t.Fatal(err)
	}
	if err := v.process.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	v.said("configuration in force", 1)
	v.end()
	if last := v.checkpoint(points, me); last.Seq <= first.Seq {
		t.Errorf("at the stop it leaves event %d, after event %d", last.Seq, first.Seq)
	}
}

// checkpoint is the newest one in the file, which must be the vault's.
func (v *fullVault) checkpoint(path, me string) chain.Checkpoint {
	v.t.Helper()
	var text []byte
	err := os.ErrNotExist
	for end := time.Now().Add(time.Minute); err != nil && time.Now().Before(end); { // it leaves beside what is answered
		time.Sleep(25 * time.Millisecond)
		b, _ := os.ReadFile(path)
		text, err = chain.LastNote(bytes.NewReader(b))
	}
	if err != nil {
		v.t.Fatalf("%v:\n%s", err, v.err.String())
	}
	c, err := chain.ParseCheckpoint(text)
	if err != nil {
		v.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(me, `"verify_key":"`)
	named, _, _ := strings.Cut(rest, `"`)
	key, err := chain.ParseKey(named)
	if err != nil || !c.Head.Verify(c.Tenant, key, c.Signature) || !strings.Contains(me, c.Tenant) {
		v.t.Errorf("%+v is not signed by %s: %v", c, named, err)
	}
	return c
}
