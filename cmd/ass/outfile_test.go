//go:build unix

package main

import (
	"bytes"
	"errors"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestOutFileInterrupted: a signal at whatever time leaves the file whole, or as it
// was, and nothing else in its folder.
func TestOutFileInterrupted(t *testing.T) {
	text, old := bytes.Repeat([]byte("0123456789abcdef"), 1<<19), []byte("old")
	interrupted := 0
	for try := range 12 {
		dir := t.TempDir()
		o := outFile{filepath.Join(dir, "out.env")}
		if err := os.WriteFile(o.path, old, 0o644); err != nil {
			t.Fatal(err)
		}
		sent := make(chan bool, 1)
		go func() { // once the file beside it is there
			defer close(sent)
			for range 10_000 {
				if names, _ := os.ReadDir(dir); len(names) > 1 {
					time.Sleep(time.Duration(try) * 300 * time.Microsecond)
					sent <- syscall.Kill(os.Getpid(), syscall.SIGTERM) == nil
					return
				}
			}
		}()
		late := make(chan os.Signal, 1) // one that comes too late is for us, and not the end
		signal.Notify(late, syscall.SIGTERM)
		err := o.write(text)
		if <-sent { // to the process, which may be handed it later than this goroutine goes on
			<-late
		}
		signal.Stop(late)
		want, mode := text, os.FileMode(0o600)
		if err != nil {
			interrupted++
			want, mode = old, 0o644
			if !errors.Is(err, errInterrupted) {
				t.Error(err)
			}
		}
		got, err := os.ReadFile(o.path)
		info, _ := os.Stat(o.path)
		names, _ := os.ReadDir(dir)
		if err != nil || !bytes.Equal(got, want) || len(names) != 1 || info.Mode().Perm() != mode {
			t.Errorf("there are %d bytes, mode %v, %d files, %v", len(got), info.Mode(), len(names), err)
		}
	}
	if interrupted == 0 {
		t.Error("no signal came in time")
	}
}
