package main

import (
	"os"
	"path/filepath"
	"testing"
)

// TestPruneWrongClock: what a clock that ran ahead has named goes before what was just
// taken, and nothing of another vault does.
func TestPruneWrongClock(t *testing.T) {
	dir := t.TempDir()
	const tenant, other = "ten_aaaaaaaaaaaaaaaaaaaaaaaaaa", "ten_bbbbbbbbbbbbbbbbbbbbbbbbbb"
	name := func(tenant, year string) string { return tenant + "-" + year + "0301T120000Z.assd-backup" }
	there := []string{name(tenant, "2025"), name(tenant, "2026"), name(tenant, "2096"), name(tenant, "2097"), name(other, "2020")}
	for _, n := range there {
		if err := os.WriteFile(filepath.Join(dir, n), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := pruneBackups(dir, tenant, name(tenant, "2026"), 2); err != nil {
		t.Fatal(err)
	}
	left := map[string]bool{name(tenant, "2025"): true, name(tenant, "2026"): true, name(other, "2020"): true}
	for _, n := range there {
		if _, err := os.Lstat(filepath.Join(dir, n)); (err == nil) != left[n] {
			t.Errorf("%s: %v", n, err)
		}
	}
}
