package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// TestTally: events are counted, and not lines, however they come.
func TestTally(t *testing.T) {
	const head = `{"head":2,"epoch":1,"signature":"x"}` + "\n"
	for text, want := range map[string]string{
		"": "no events", `{"seq":1,"event":"x"}` + "\n": "1 event, the last one number 1",
		`{"seq":1,"event":"x"}` + "\n" + `{"seq":21,"event":"{\"seq\":9}"}` + "\n" + head: "2 events, the last one number 21",
		head: "no events",
	} {
		checkTally(t, text, "jsonl", want)
	}
	for text, want := range map[string]string{
		"": "no events", "seq,time\r\n": "no events", "seq,time\r\n1,x\r\n": "1 event, the last one number 1",
		"seq,reason\r\n1,\"two\r\n2,lines\"\r\n3,\"a \"\"quote\"\"\n\"\r\n": "2 events, the last one number 3",
	} {
		checkTally(t, text, "csv", want)
	}
}

func checkTally(t *testing.T, text, format, want string) {
	t.Helper()
	for _, r := range []io.Reader{strings.NewReader(text), iotest.OneByteReader(strings.NewReader(text))} {
		var out bytes.Buffer
		c := tallied(&out, format)
		if _, err := io.Copy(c, r); err != nil || out.String() != text {
			t.Errorf("%q is written as %q, %v", text, out.String(), err)
		}
		if c.String() != want {
			t.Errorf("%q: %s, want %s", text, c, want)
		}
	}
}

// TestOnScreen: a terminal is shown lines, and nothing in them that it would act on.
func TestOnScreen(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "a\nb\n": "a\nb\n", "a,b\r\n": "a,b\n", "\x1b[2Ja\rb\n": `\x1b[2Ja\rb` + "\n", "ü 中\n": "ü 中\n", "\u202egro\n": `\u202egro` + "\n",
		"\xff\n": `\xff` + "\n", strings.Repeat("x", 3*maxShown) + "\n": strings.Repeat("x", 3*maxShown) + "\n",
	} {
		for _, r := range []io.Reader{strings.NewReader(text), iotest.OneByteReader(strings.NewReader(text))} {
			var out bytes.Buffer
			if _, err := io.Copy(&onScreen{to: &out}, r); err != nil || out.String() != want {
				t.Errorf("%.40q is shown as %.40q, %v; want %.40q", text, out.String(), err, want)
			}
		}
	}
}
