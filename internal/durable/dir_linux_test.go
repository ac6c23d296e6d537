package durable_test

import (
	"errors"
	"io/fs"
	"path/filepath"
	"testing"

	"github.com/agent-secret-store/assd/internal/durable"
)

// TestSyncDir: a file system without a sync of folders is an error for our own folders,
// and for others as good as it gets. A folder that is missing is one for both.
func TestSyncDir(t *testing.T) {
	dir := t.TempDir()
	const none = "/proc" // cannot be synced
	if err := errors.Join(durable.SyncDir(dir), durable.TrySyncDir(dir), durable.TrySyncDir(none)); err != nil {
		t.Error(err)
	}
	if err := durable.SyncDir(none); err == nil {
		t.Errorf("%s was synced", none)
	}
	missing := filepath.Join(dir, "missing")
	for _, err := range []error{durable.SyncDir(missing), durable.TrySyncDir(missing)} {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("of a folder that is missing: %v", err)
		}
	}
}
