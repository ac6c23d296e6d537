package backups_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/internal/backups"
)

const tenant, other = "ten_aaaaaaaaaaaaaaaaaaaaaaaaaa", "ten_bbbbbbbbbbbbbbbbbbbbbbbbbb"

func at(year int) time.Time { return time.Date(year, 3, 1, 12, 0, 0, 0, time.UTC) }

func named(t *testing.T, tenant string, year int) string {
	t.Helper()
	name, ok := backups.Name(tenant, at(year))
	if !ok {
		t.Fatalf("%q is no name", name)
	}
	return name
}

// TestWrongClock: what a clock that ran ahead has named is neither the newest nor kept in
// the place of what was just taken, and nothing of another vault is.
func TestWrongClock(t *testing.T) {
	dir := t.TempDir()
	there := []string{
		named(t, tenant, 2025), named(t, tenant, 2026), named(t, tenant, 2096), named(t, tenant, 2097),
		named(t, other, 2020), named(t, tenant, 2020) + ".old",
	}
	for _, name := range there {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, named(t, tenant, 2019)), 0o700); err != nil { // no file
		t.Fatal(err)
	}
	if newest, err := backups.Newest(dir, tenant, at(2026)); err != nil || !newest.Equal(at(2026)) {
		t.Errorf("the newest is of %v, %v", newest, err)
	}
	if newest, err := backups.Newest(dir, tenant, at(2024)); err != nil || !newest.IsZero() {
		t.Errorf("before all of them, the newest is of %v, %v", newest, err)
	}
	if err := backups.Prune(dir, tenant, there[1], 2); err != nil {
		t.Fatal(err)
	}
	left := []string{there[0], there[1], there[4], there[5]}
	for _, name := range there {
		if _, err := os.Lstat(filepath.Join(dir, name)); (err == nil) != slices.Contains(left, name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := os.Lstat(filepath.Join(dir, named(t, tenant, 2019))); err != nil {
		t.Errorf("a folder of that name is gone: %v", err)
	}
}

// TestName: what is no vault's name makes none.
func TestName(t *testing.T) {
	if name, ok := backups.Name("../../ten_aaaaaaaaaaaaaaaaaaaaaaaaaa", at(2026)); ok {
		t.Errorf("%q is one", name)
	}
	if name := named(t, tenant, 2026); name != tenant+"-20260301T120000Z.assd-backup" {
		t.Errorf("it is %q", name)
	}
	if name, _ := backups.Name(tenant, at(2026).In(time.FixedZone("east", 3600))); name != named(t, tenant, 2026) {
		t.Errorf("elsewhere it is %q", name)
	}
}
