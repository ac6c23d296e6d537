package wipe_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/agent-secret-store/assd/internal/wipe"
)

// spy keeps all the memory that was read into.
type spy struct {
	from io.Reader
	seen [][]byte
}

func (s *spy) Read(p []byte) (int, error) {
	s.seen = append(s.seen, p)
	return s.from.Read(p)
}

var errBroken = errors.New("broken")

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errBroken }

func TestReadAllLeavesNoCopies(t *testing.T) {
	text := bytes.Repeat([]byte("secret "), 1000)
	for _, size := range []int64{-1, 0, 100, int64(len(text)), 1 << 62} {
		s := &spy{from: bytes.NewReader(text)}
		got, err := wipe.ReadAll(s, size)
		if err != nil || !bytes.Equal(got, text) {
			t.Fatalf("size %d: %d bytes, %v", size, len(got), err)
		}
		if size == int64(len(text)) && cap(got) != len(text)+1 {
			t.Errorf("room for %d bytes where %d were said to come", cap(got), size)
		}
		clear(got)
		s.clean(t)
	}
	s := &spy{from: io.MultiReader(bytes.NewReader(text), broken{})}
	if got, err := wipe.ReadAll(s, 0); got != nil || !errors.Is(err, errBroken) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	s.clean(t)
}

// clean fails if there is something left where it was read into.
func (s *spy) clean(t *testing.T) {
	t.Helper()
	for i, p := range s.seen {
		if bytes.Contains(p, []byte("secret")) {
			t.Errorf("a copy is left where read %d of %d put it", i+1, len(s.seen))
		}
	}
}
