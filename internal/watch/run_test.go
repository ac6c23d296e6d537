package watch_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/agent-secret-store/assd/internal/watch"
)

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path, s string) string {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(s), 0o644))
	return path
}

func swap(t *testing.T, target, link string) {
	t.Helper()
	must(t, os.Symlink(target, link+".tmp"), os.Rename(link+".tmp", link))
}

// looks are those that a watch has made, each with what the file held then.
type looks struct {
	t     *testing.T
	ch    chan string
	again chan os.Signal
}

// following runs a watch until the test ends and waits for its first look.
func following(t *testing.T, poll time.Duration, paths func() []string) *looks {
	t.Helper()
	l := &looks{t, make(chan string, 1000), make(chan os.Signal)}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		watch.Run(ctx, watch.Config{
			Paths: paths, Again: l.again, Log: hclog.NewNullLogger(), What: "test files", Poll: poll,
			Look: func(asked bool) {
				var all []string
				for _, path := range paths() {
					if b, err := os.ReadFile(path); err == nil {
						all = append(all, string(b))
					}
				}
				said := strings.Join(all, "+")
				if asked {
					said += ", asked"
				}
				l.ch <- said
			},
		})
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	l.next("at the start")
	return l
}

// next waits for a look.
func (l *looks) next(what string) string {
	l.t.Helper()
	select {
	case said := <-l.ch:
		return said
	case <-time.After(time.Minute):
		l.t.Fatalf("no look within a minute: %s", what)
		return ""
	}
}

// finds waits for a look that finds want.
func (l *looks) finds(what, want string) {
	l.t.Helper()
	for l.next(what) != want {
	}
}

// none checks that there is no look within a second.
func (l *looks) none(what string) {
	l.t.Helper()
	time.Sleep(time.Second)
	if len(l.ch) > 0 {
		l.t.Errorf("%s: a look found %q", what, <-l.ch)
	}
}

func fixed(paths ...string) func() []string { return func() []string { return paths } }

// TestReplaced: however a file is replaced, there is a look that finds the new one;
// and for the next change as well.
func TestReplaced(t *testing.T) {
	rename := func(t *testing.T, path, s string) {
		must(t, os.Rename(write(t, path+".tmp", s), path))
	}
	for name, tc := range map[string]struct {
		lay     func(t *testing.T, dir string) (path string)
		replace func(t *testing.T, dir, s string)
	}{
		"written in place": {func(t *testing.T, d string) string { return write(t, d+"/f", "0") },
			func(t *testing.T, d, s string) { write(t, d+"/f", s) }},
		"renamed over": {func(t *testing.T, d string) string { return write(t, d+"/f", "0") },
			func(t *testing.T, d, s string) { rename(t, d+"/f", s) }},
		"removed and made anew": {func(t *testing.T, d string) string { return write(t, d+"/f", "0") },
			func(t *testing.T, d, s string) { must(t, os.Remove(d+"/f")); write(t, d+"/f", s) }},
		"not there before": {func(t *testing.T, d string) string { return d + "/f" },
			func(t *testing.T, d, s string) { write(t, d+"/f", s) }},
		"behind a link": {func(t *testing.T, d string) string {
			write(t, d+"/real/f", "0")
			must(t, os.Symlink("real/f", d+"/f"))
			return d + "/f"
		}, func(t *testing.T, d, s string) { write(t, d+"/real/f", s) }},
		"a swapped link": {func(t *testing.T, d string) string {
			write(t, d+"/0", "0")
			must(t, os.Symlink("0", d+"/f"))
			return d + "/f"
		}, func(t *testing.T, d, s string) { write(t, d+"/elsewhere/"+s, s); swap(t, "elsewhere/"+s, d+"/f") }},
		"a swapped folder": {func(t *testing.T, d string) string {
			write(t, d+"/0/sub/f", "0")
			must(t, os.Symlink("0", d+"/current"))
			return d + "/current/sub/f"
		}, func(t *testing.T, d, s string) { write(t, d+"/"+s+"/sub/f", s); swap(t, s, d+"/current") }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := tc.lay(t, dir)
			l := following(t, 0, fixed("", path))
			for _, s := range []string{"1", "2"} {
				tc.replace(t, dir, s)
				l.finds(s, s)
			}
		})
	}
}

// TestOneLook for what changes together, and none for nothing.
func TestOneLook(t *testing.T) {
	path := write(t, t.TempDir()+"/f", "0")
	l := following(t, 0, fixed(path))
	l.none("nothing has changed")
	for range 5 {
		write(t, path, "1")
		write(t, path+"2", "1")
	}
	l.finds("the change", "1")
	l.none("one look was enough")
}

// TestBusy: a folder where it never gets quiet does not put the look off.
func TestBusy(t *testing.T) {
	path := write(t, t.TempDir()+"/f", "0")
	l := following(t, 0, fixed(path))
	var wg sync.WaitGroup
	stop := make(chan struct{})
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
				_ = os.WriteFile(path+"2", nil, 0o644)
			}
		}
	})
	defer wg.Wait()
	defer close(stop)
	for _, s := range []string{"1", "2", "3"} {
		write(t, path, s)
		l.finds("amid other changes", s)
	}
}

// TestAgain: who asks gets a look at once, and is told from a change.
func TestAgain(t *testing.T) {
	path := write(t, t.TempDir()+"/f", "0")
	l := following(t, 0, fixed(path))
	for range 2 {
		l.again <- syscall.SIGHUP
		if said := l.next("asked for"); said != "0, asked" {
			t.Errorf("found %q", said)
		}
	}
	l.none("nothing has changed")
}

// TestMissed: what no watch sees is found by the poll, and watched from then on.
func TestMissed(t *testing.T) {
	dir := t.TempDir() + "/d"
	path := write(t, dir+"/f", "0")
	l := following(t, 50*time.Millisecond, fixed(path))
	must(t, os.Rename(dir, dir+".old"))
	l.finds("the loss", "")
	write(t, path, "1")
	l.finds("the file in a folder made anew", "1")
}

// TestUnwatched: where there can be no watch, that is told, and the poll is left.
func TestUnwatched(t *testing.T) {
	var limit syscall.Rlimit
	must(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	must(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 0, Max: limit.Max}))
	var b bytes.Buffer
	ctx, cancel := context.WithCancel(t.Context())
	count := 0
	watch.Run(ctx, watch.Config{
		Paths: fixed(t.Name()), What: "test files", Poll: 10 * time.Millisecond,
		Log: hclog.New(&hclog.LoggerOptions{Output: &b}),
		Look: func(bool) {
			if count++; count == 3 {
				cancel()
			}
		},
	})
	must(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit))
	if !strings.Contains(b.String(), "the test files cannot be watched; they are looked at once a minute: error=") {
		t.Error(b.String())
	}
}

// TestOtherPaths: the paths are asked for anew, and what is no longer one of them
// is not followed.
func TestOtherPaths(t *testing.T) {
	dir := t.TempDir()
	a, b := write(t, dir+"/a/f", "a"), write(t, dir+"/b/f", "b")
	var now atomic.Value
	now.Store([]string{a})
	l := following(t, 0, func() []string { return now.Load().([]string) })
	now.Store([]string{b})
	l.again <- syscall.SIGHUP
	l.finds("when asked", "b, asked")
	write(t, a, "a2")
	l.none("of the file that is no longer followed")
	write(t, b, "b2")
	l.finds("of the file that is followed now", "b2")
}

// TestEnds: Run returns when its context ends, also from the start.
func TestEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		watch.Run(ctx, watch.Config{Paths: fixed(), Look: func(bool) {}, Log: hclog.NewNullLogger()})
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Error("it goes on")
	}
}

// TestLog: a folder that cannot be watched is told of where details are asked for.
func TestLog(t *testing.T) {
	for level, want := range map[hclog.Level]bool{hclog.Debug: true, hclog.Info: false} {
		var b bytes.Buffer
		dir := t.TempDir() + "/none"
		ctx, cancel := context.WithCancel(t.Context())
		watch.Run(ctx, watch.Config{
			Paths: fixed(dir + "/f"), Look: func(bool) { cancel() }, What: "test files",
			Log: hclog.New(&hclog.LoggerOptions{Output: &b, Level: level}),
		})
		said := strings.Contains(b.String(), "a folder of test files cannot be watched; it is looked at once a minute: folder="+dir)
		if said != want {
			t.Errorf("at %v: %q", level, b.String())
		}
	}
}
