package helper

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// What goes over the socket, in bytes.
const (
	maxHead = 256 << 10
	maxBody = 8 << 20
	maxWhy  = 2 << 10 // of each reason; times maxRunning, escaped, it fits in a head
)

// frame is a message: the length of its head and of its body, 4 bytes each, the head
// as JSON, the body.
type frame struct {
	head
	body []byte
}

// head is all of a message but the bytes that a command reads or has printed.
type head struct {
	ID uint64 `json:"id"` // of the request, also in its answer
	Op string `json:"op"`

	Digest  string        `json:"digest,omitempty"`
	Index   int           `json:"index,omitempty"`
	Timeout time.Duration `json:"timeout,omitempty"`

	Why      string         `json:"why,omitempty"`      // it failed
	Printed  int            `json:"printed,omitempty"`  // how much of the body is standard output
	Problems map[int]string `json:"problems,omitempty"` // commands that would not be run now
}

// The operations. Each but stop is answered by one of the same name.
const (
	opRun  = "run"
	opStop = "stop" // the run of that id
	opLoad = "load" // the operator's file, keeping the text with that digest
)

// clipped is a reason as far as it goes over the socket.
func clipped(why string) string {
	if len(why) > maxWhy {
		why = why[:maxWhy] + "..."
	}
	return strings.ToValidUTF8(why, "?")
}

var errFrame = errors.New("this is no message between assd and its helper")

func writeFrame(w io.Writer, f frame) error {
	text, err := json.Marshal(f.head)
	if err != nil {
		return fmt.Errorf("encoding a message: %w", err)
	}
	if len(text) > maxHead || len(f.body) > maxBody {
		return fmt.Errorf("a message is too long: %d and %d bytes", len(text), len(f.body))
	}
	out := binary.BigEndian.AppendUint32(nil, uint32(len(text)))
	out = binary.BigEndian.AppendUint32(out, uint32(len(f.body)))
	out = append(append(out, text...), f.body...)
	defer clear(out) // it may hold a value
	_, err = w.Write(out)
	return err
}

// readFrame reads one message; io.EOF is the end before one.
func readFrame(r io.Reader) (f frame, err error) {
	var lengths [8]byte
	if _, err := io.ReadFull(r, lengths[:]); err != nil {
		return f, err
	}
	n, m := binary.BigEndian.Uint32(lengths[:4]), binary.BigEndian.Uint32(lengths[4:])
	if n > maxHead || m > maxBody {
		return f, errFrame
	}
	text := make([]byte, n)
	f.body = make([]byte, m)
	for _, part := range [][]byte{text, f.body} {
		if _, err := io.ReadFull(r, part); err != nil {
			return f, errors.Join(errFrame, err)
		}
	}
	if err := json.Unmarshal(text, &f.head); err != nil || f.Printed < 0 || f.Printed > len(f.body) {
		return f, errFrame
	}
	return f, nil
}
