package dotenv

import (
	"bytes"
	"cmp"
	"fmt"
)

// maxDockerLine is the longest line that docker reads, in bytes: the buffer of Go's
// bufio.Scanner without the line's end.
const maxDockerLine = 64<<10 - 1

// unfitDockerEnv: docker takes NAME=VALUE lines literally, so there is no way to
// write a line feed, nor a carriage return at the end, which it takes for a part of
// the line's.
func unfitDockerEnv(p Pair) string {
	switch {
	case bytes.IndexByte(p.Value, '\n') >= 0:
		return "the value has a line break"
	case bytes.HasSuffix(p.Value, []byte("\r")):
		return "the value ends in a carriage return"
	case len(p.Name)+1+len(p.Value) > maxDockerLine:
		return fmt.Sprintf("the line would be longer than the %d bytes that docker reads", maxDockerLine)
	}
	return cmp.Or(p.unfitName(), p.unfitText())
}

// addDockerEnv adds a line of docker's documented form: NAME=VALUE, without quotes
// or escapes. A name begins no comment.
func addDockerEnv(dst []byte, p Pair) []byte {
	dst = append(append(dst, p.Name...), '=')
	return append(append(dst, p.Value...), '\n')
}
