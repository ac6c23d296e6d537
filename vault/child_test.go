package vault_test

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// command is the test binary as the child process of that name.
func command(t *testing.T, name, dir string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childEnv+"="+name, childEnv+"_DIR="+dir)
	return cmd
}

// inChild is what a child process has in place of a testing.T: the first fault
// ends it.
type inChild struct{}

func (inChild) Helper() {}

func (inChild) Errorf(format string, args ...any) { inChild{}.Fatalf(format, args...) }

func (inChild) Error(args ...any) { inChild{}.Fatal(args...) }

func (inChild) Fatalf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	os.Exit(1)
}

func (inChild) Fatal(args ...any) {
	fmt.Fprintln(os.Stderr, args...)
	os.Exit(1)
}
