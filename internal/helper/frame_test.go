package helper_test

import (
	"bytes"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/agent-secret-store/assd/internal/helper"
)

// FuzzFrame: what is read as a message is written and read again as the same.
func FuzzFrame(f *testing.F) {
	for _, s := range []string{"", "\x00\x00\x00\x02\x00\x00\x00\x01{}x", "\x00\x00\x00\x17\x00\x00\x00\x03{\"op\":\"run\",\"printed\":2}abc", "\x00\x00\x00\x0e\x00\x00\x00\x00{\"printed\":-1}", "\xff\xff\xff\xff\xff\xff\xff\xff"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		first, err := helper.Reprint(b)
		if err != nil {
			return
		}
		second, err := helper.Reprint(first)
		if err != nil || !bytes.Equal(first, second) {
			t.Errorf("%q, %v; want %q", second, err, first)
		}
	})
}

// A reason of any length reaches the daemon as far as it fits, and the helper stays.
func TestReasonOfAnyLength(t *testing.T) {
	ours, theirs := net.Pipe()
	go helper.Serve(theirs, func() (helper.Text, error) { return helper.Text{}, errors.New(strings.Repeat("\x01", 1<<20)) })
	h := helper.Dial(ours)
	defer h.Close()
	for range 2 {
		_, err := h.Load(t.Context(), "")
		if _, ok := errors.AsType[*helper.Failure](err); !ok {
			t.Fatalf("%.80v; want a Failure", err)
		}
	}
}
