package operator_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/agent-secret-store/assd/internal/operator"
)

// step is something done to the file, so long after the first look.
type step struct {
	after time.Duration
	do    func(t *testing.T, path string)
}

func put(s string) func(t *testing.T, path string) {
	return func(t *testing.T, path string) { write(t, path, s) }
}

func rename(s string) func(t *testing.T, path string) {
	return func(t *testing.T, path string) {
		write(t, path+".tmp", s)
		must(t, os.Rename(path+".tmp", path))
	}
}

func add(s string) func(t *testing.T, path string) {
	return func(t *testing.T, path string) {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
		must(t, err)
		_, err = f.WriteString(s)
		must(t, err, f.Close())
	}
}

func remove(t *testing.T, path string) { must(t, os.Remove(path)) }

func mode(m os.FileMode) func(t *testing.T, path string) {
	return func(t *testing.T, path string) { must(t, os.Chmod(path, m)) }
}

// settled does the steps while the file is read, on a clock of the test's own.
func settled(t *testing.T, path string, steps []step) (b []byte, took time.Duration, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		stop := make(chan struct{})
		defer close(stop)
		go func() {
			for _, s := range steps {
				select {
				case <-stop: // what comes now is too late
					return
				case <-time.After(s.after - time.Since(began)):
				}
				s.do(t, path)
			}
		}()
		synctest.Wait() // what comes at 0 is done
		b, err = operator.Settled(t.Context(), path, max)
		took = time.Since(began)
	})
	return b, took, err
}

const ms = time.Millisecond

// TestSettled: a save is waited for, and no half of it is taken.
func TestSettled(t *testing.T) {
	long := strings.Repeat("x", max+1)
	for name, tc := range map[string]struct {
		steps []step
		want  string
		kind  error
		took  time.Duration
	}{
		"left alone":        {nil, "all of it", nil, 200 * ms},
		"renamed over":      {[]step{{100 * ms, rename("new")}}, "new", nil, 400 * ms},
		"in two halves":     {[]step{{0, put("one ")}, {150 * ms, add("two")}}, "one two", nil, 400 * ms},
		"in many parts":     {[]step{{0, put("1")}, {150 * ms, add("2")}, {300 * ms, add("3")}, {450 * ms, add("4")}, {550 * ms, add("5")}}, "12345", nil, 800 * ms},
		"as it was again":   {[]step{{100 * ms, put("else")}, {300 * ms, put("all of it")}}, "all of it", nil, 600 * ms},
		"empty for a while": {[]step{{0, put("")}, {900 * ms, put("new")}}, "new", nil, 1200 * ms},
		"emptied later":     {[]step{{100 * ms, put("")}, {500 * ms, put("new")}}, "new", nil, 800 * ms},
		"put aside first":   {[]step{{0, remove}, {150 * ms, put("new")}}, "new", nil, 400 * ms},
		"closed later":      {[]step{{0, mode(0o666)}, {150 * ms, mode(0o644)}}, "all of it", nil, 400 * ms},

		"empty":           {[]step{{0, put("")}}, "", operator.ErrSaving, 1400 * ms},
		"changing":        {[]step{{0, put("0")}, {100 * ms, add("1")}, {300 * ms, add("2")}, {500 * ms, add("3")}, {700 * ms, add("4")}, {900 * ms, add("5")}, {1100 * ms, add("6")}, {1300 * ms, add("7")}}, "", operator.ErrSaving, 1400 * ms},
		"deleted":         {[]step{{0, remove}}, "", operator.ErrMissing, 200 * ms},
		"deleted later":   {[]step{{100 * ms, remove}}, "", operator.ErrMissing, 400 * ms},
		"open to others":  {[]step{{0, mode(0o666)}}, "", operator.ErrExposed, 200 * ms},
		"open, then gone": {[]step{{0, mode(0o666)}, {100 * ms, remove}}, "", operator.ErrMissing, 400 * ms},
		"too long":        {[]step{{0, put(long)}}, "", operator.ErrTooLarge, 200 * ms},
		"too long for it": {[]step{{100 * ms, rename(long)}}, "", operator.ErrTooLarge, 400 * ms},
	} {
		t.Run(name, func(t *testing.T) {
			_, path := place(t)
			b, took, err := settled(t, path, tc.steps)
			if string(b) != tc.want || took != tc.took {
				t.Errorf("got %q after %v, %v; want %q after %v", b, took, err, tc.want, tc.took)
			}
			if tc.kind != nil {
				checkKind(t, err, tc.kind, path, "")
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

// TestNoHalf: wherever a save in two halves falls, with less than the gap between
// them, what is taken is whole.
func TestNoHalf(t *testing.T) {
	for at := 0 * ms; at < 700*ms; at += 30 * ms {
		for pause := 10 * ms; pause < 200*ms; pause += 36 * ms {
			_, path := place(t)
			b, _, err := settled(t, path, []step{{at, put("one ")}, {at + pause, add("two")}})
			if got := string(b); err != nil || got != "all of it" && got != "one two" {
				t.Errorf("a save at %v with a pause of %v: %q, %v", at, pause, b, err)
			}
		}
	}
}

// TestSettledEnds with its context.
func TestSettledEnds(t *testing.T) {
	_, path := place(t)
	write(t, path, "")
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 500*ms)
		defer cancel()
		b, err := operator.Settled(ctx, path, max)
		checkKind(t, err, operator.ErrSaving, path, "")
		if took := time.Since(began); b != nil || !errors.Is(err, context.DeadlineExceeded) || took != 500*ms {
			t.Errorf("got %q, %v after %v", b, err, took)
		}
	})
}
