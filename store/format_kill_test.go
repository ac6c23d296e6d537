package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/agent-secret-store/assd/store"
)

// stepEnv is the step that a child is killed at.
const stepEnv = childEnv + "_STEP"

func init() {
	children["migrate"] = func(dir string) error { return migrateChild(dir, false) }
	children["migrated"] = func(dir string) error { return migrateChild(dir, true) }
}

// migrateChild opens an older file, and does not live to see it.
func migrateChild(dir string, happened bool) error {
	return store.OpenKilled(store.Config{Path: filepath.Join(dir, "vault.db")}, os.Getenv(stepEnv), happened)
}

// TestMigrateKilled: a process that is killed at a step of the migration leaves a file of
// either format and the copy whole or not at all, and the next Open goes on to the end.
func TestMigrateKilled(t *testing.T) {
	steps := []string{"commit of the copy", "sync", "rename", "folder sync", "commit"}
	for n, step := range steps {
		t.Run("before "+step, func(t *testing.T) { wantMigrated(t, "migrate", step, 1, n > slices.Index(steps, "rename")) })
	}
	t.Run("behind it", func(t *testing.T) { wantMigrated(t, "migrated", "commit", 2, true) })
}

// wantMigrated has a child killed at a step, and wants a file of that format, with a copy
// or none, before it is opened again.
func wantMigrated(t *testing.T, child, step string, format uint32, copied bool) {
	path := store.Older(t, 1)
	dir, backup := filepath.Dir(path), path+".format-1"
	cmd := command(t, child, dir)
	cmd.Env = append(cmd.Env, stepEnv+"="+step)
	out, err := cmd.CombinedOutput()
	if s, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); err == nil || !ok || s.Signal() != syscall.SIGKILL {
		t.Fatalf("the child ended so: %v\n%s", err, out)
	}
	store.WantFormat(t, path, format, "a")
	if _, err := os.Lstat(backup); (err == nil) != copied || err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Errorf("of the copy it is said: %v", err)
	}
	if copied {
		store.WantFormat(t, backup, 1, "a")
	}
	close(t, open(t, store.Config{Path: path}))
	store.WantNamesOf(t, dir, "vault.db", "vault.db.format-1")
	store.WantFormat(t, path, store.Format, "a")
	store.WantFormat(t, backup, 1, "a")
}
