package away_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/vault/away"
)

const folderTenant = "ten_aaaaaaaaaaaaaaaaaaaaaaaaaa"

func backupNamed(dir string, at time.Time) string {
	return filepath.Join(dir, folderTenant+"-"+at.Format("20060102T150405Z")+".assd-backup")
}

// TestFolderKeeps: each backup is a file of its own, private and whole; of the same vault
// only so many stay, and nothing else is touched.
func TestFolderKeeps(t *testing.T) {
	dir := t.TempDir()
	others := []string{"notes", "ten_bbbbbbbbbbbbbbbbbbbbbbbbbb-20200101T000000Z.assd-backup", folderTenant + "-20200101T000000Z.assd-backup.old"}
	for _, name := range append(others, ".assd-backup-draft-"+folderTenant) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f, start := away.NewFolder(dir), time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	done := 0
	put := func(n int, text, sum string) error {
		return f.Put(context.Background(), folderTenant, start.Add(time.Duration(n)*time.Hour), strings.NewReader(text), sum, 2, func() { done++ })
	}
	for n := range 4 {
		text := fmt.Sprintf("backup %d", n)
		sum := sha256.Sum256([]byte(text))
		if err := put(n, text, hex.EncodeToString(sum[:])); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(backupNamed(dir, start.Add(time.Duration(n)*time.Hour)))
		if err != nil || string(b) != text {
			t.Errorf("backup %d is %q, %v", n, b, err)
		}
	}
	if err := put(5, "other bytes", hex.EncodeToString(make([]byte, 32))); err == nil || !strings.Contains(err.Error(), "reads otherwise") {
		t.Errorf("what does not have the digest: %v", err)
	}
	if done != 5 {
		t.Errorf("done %d times", done)
	}
	if at := f.Newest(context.Background(), folderTenant, start.AddDate(0, 0, 1)); !at.Equal(start.Add(3 * time.Hour)) {
		t.Errorf("the newest is of %v", at)
	}
	var left []string
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		left = append(left, e.Name())
		if info, err := e.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", e.Name(), info.Mode(), err)
		}
	}
	want := append(others, filepath.Base(backupNamed(dir, start.Add(2*time.Hour))), filepath.Base(backupNamed(dir, start.Add(3*time.Hour))))
	slices.Sort(want)
	if err != nil || !slices.Equal(left, want) {
		t.Errorf("left are %q, want %q (%v)", left, want, err)
	}
}

// TestFolderRefuses: a folder that is missing, or that others can write in.
func TestFolderRefuses(t *testing.T) {
	dir := t.TempDir()
	open := filepath.Join(dir, "open")
	if err := os.Mkdir(open, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o777); err != nil {
		t.Fatal(err)
	}
	for path, says := range map[string]string{filepath.Join(dir, "missing"): "mkdir -p", open: "chmod go-w"} {
		if err := away.NewFolder(path).Check(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// putText puts a backup of that vault there.
func putText(t *testing.T, f *away.Folder, tenant string, at time.Time, text string, keep int) {
	t.Helper()
	sum := sha256.Sum256([]byte(text))
	if err := f.Put(context.Background(), tenant, at, strings.NewReader(text), hex.EncodeToString(sum[:]), keep, func() {}); err != nil {
		t.Fatal(err)
	}
}

// TestFolderWrongClock: backups that were named by a clock that ran ahead neither count as
// new nor have the real new ones removed.
func TestFolderWrongClock(t *testing.T) {
	dir := t.TempDir()
	f, now := away.NewFolder(dir), time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for n := range 2 {
		putText(t, f, folderTenant, now.AddDate(70, 0, n), "of a wrong clock", 2)
	}
	if at := f.Newest(context.Background(), folderTenant, now); !at.IsZero() {
		t.Errorf("the newest is of %v", at)
	}
	for n := range 3 {
		at := now.Add(time.Duration(n) * time.Hour)
		putText(t, f, folderTenant, at, "new", 2)
		if _, err := os.Stat(backupNamed(dir, at)); err != nil {
			t.Errorf("what was put there is gone: %v", err)
		}
	}
	all, err := os.ReadDir(dir)
	if err != nil || len(all) != 2 || all[1].Name() != filepath.Base(backupNamed(dir, now.Add(2*time.Hour))) {
		t.Errorf("left are %v, %v", all, err)
	}
}

// halting gives half of a text, and the rest once it may.
type halting struct {
	halves  []string
	reached chan struct{}
	goOn    chan struct{}
}

func (h *halting) Read(p []byte) (int, error) {
	if len(h.halves) == 0 {
		return 0, io.EOF
	}
	if len(h.halves) == 1 {
		close(h.reached)
		<-h.goOn
	}
	n := copy(p, h.halves[0])
	h.halves = h.halves[1:]
	return n, nil
}

// TestFolderShared: two daemons that put backups into one folder at once do not get into
// each other's.
func TestFolderShared(t *testing.T) {
	dir := t.TempDir()
	const other = "ten_bbbbbbbbbbbbbbbbbbbbbbbbbb"
	at, text := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), "this vault's"
	slow := &halting{halves: []string{"this ", "vault's"}, reached: make(chan struct{}), goOn: make(chan struct{})}
	sum := sha256.Sum256([]byte(text))
	failed := make(chan error)
	go func() {
		failed <- away.NewFolder(dir).Put(context.Background(), folderTenant, at, slow, hex.EncodeToString(sum[:]), 2, func() {})
	}()
	<-slow.reached
	putText(t, away.NewFolder(dir), other, at, "another's", 2)
	close(slow.goOn)
	if err := <-failed; err != nil {
		t.Error(err)
	}
	for tenant, want := range map[string]string{folderTenant: text, other: "another's"} {
		b, err := os.ReadFile(filepath.Join(dir, tenant+"-20260301T120000Z.assd-backup"))
		if err != nil || string(b) != want {
			t.Errorf("the backup of %s is %q, %v", tenant, b, err)
		}
	}
}
