package helper_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/agent-secret-store/assd/internal/helper"
	"github.com/agent-secret-store/assd/internal/testenv"
)

// TestCheck: a program that somebody else can have written, or put there, is not run.
func TestCheck(t *testing.T) {
	const other = 54321
	for name, tc := range map[string]struct {
		change func(dir, path string) error
		want   string // "": it is taken
		root   bool
	}{
		"as it should be":        {func(_, _ string) error { return nil }, "", false},
		"for us alone":           {func(dir, path string) error { return errors.Join(os.Chmod(path, 0o700), os.Chmod(dir, 0o700)) }, "", false},
		"writable by its group":  {func(_, path string) error { return os.Chmod(path, 0o775) }, "can be written by other users", false},
		"writable by all":        {func(_, path string) error { return os.Chmod(path, 0o757) }, "can be written by other users", false},
		"in a folder of all":     {func(dir, _ string) error { return os.Chmod(dir, 0o777) }, "can be written by other users", false},
		"in a folder of a group": {func(dir, _ string) error { return os.Chmod(dir, 0o775) }, "can be written by other users", false},
		"in a sticky folder":     {func(dir, _ string) error { return os.Chmod(dir, 0o777|os.ModeSticky) }, "lies in a folder that other users can write", false},
		"above it all can write": {func(dir, _ string) error { return os.Chmod(filepath.Dir(dir), 0o777) }, "can be written by other users", false},
		"not executable":         {func(_, path string) error { return os.Chmod(path, 0o644) }, "cannot be executed", false},
		"missing":                {func(_, path string) error { return os.Remove(path) }, "no such file", false},
		"a folder":               {func(_, path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o755)) }, "no regular file", false},
		"a link":                 {func(dir, path string) error { return link(dir, path, 0o755) }, "", false},
		"a link to one of all":   {func(dir, path string) error { return link(dir, path, 0o777) }, "can be written by other users", false},
		"a link into a folder of all": {func(dir, path string) error {
			return errors.Join(link(dir, path, 0o755), os.Chmod(filepath.Join(filepath.Dir(dir), "real"), 0o777|os.ModeSticky))
		}, "lies in a folder that other users can write", false},
		"another user's":           {func(_, path string) error { return os.Chown(path, other, other) }, "belongs to uid 54321", true},
		"in another user's folder": {func(dir, _ string) error { return os.Chown(dir, other, other) }, "belongs to uid 54321", true},
		"a link of another user's": {func(dir, path string) error {
			return errors.Join(link(dir, path, 0o755), os.Lchown(path, other, other))
		}, "belongs to uid 54321", true},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.root && os.Geteuid() != 0 {
				testenv.Skip(t, "needs root to make another user's files")
			}
			dir := filepath.Join(t.TempDir(), "a", "bin")
			path := filepath.Join(dir, "rotate")
			if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(path, []byte("#!/bin/sh\n"), 0o755), tc.change(dir, path)); err != nil {
				t.Fatal(err)
			}
			err := helper.Check(path)
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("%v; want %q", err, tc.want)
			}
		})
	}
	if err := helper.Check("bin/rotate"); err == nil || !strings.Contains(err.Error(), "absolute") {
		t.Errorf("a relative path: %v", err)
	}
}

// link puts the program elsewhere, and a link in its place.
func link(dir, path string, mode os.FileMode) error {
	real := filepath.Join(filepath.Dir(dir), "real")
	to := filepath.Join(real, "rotate")
	return errors.Join(os.Mkdir(real, 0o755), os.Rename(path, to), os.Chmod(to, mode), os.Symlink(to, path))
}
