package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"golang.org/x/term"
)

// errNoTerminal says that there is nobody to ask. Callers turn it into a usage
// error that names the flag to use instead.
var errNoTerminal = errors.New("there is no terminal to ask on")

// errInterrupted is Ctrl-C at a prompt.
var errInterrupted = &fault{code: codeFailed, message: "interrupted", hint: "nothing was changed", exit: 130}

// askSecret prints prompt on the terminal, reads one line without echo, and
// prints after.
func askSecret(prompt, after string) (string, error) {
	line, err := askHidden(prompt, after)
	defer clear(line)
	return string(line), err
}

// askHidden is askSecret for what is to be wiped.
func askHidden(prompt, after string) ([]byte, error) {
	return ask(prompt, func(in, out *os.File) ([]byte, error) {
		line, err := readHidden(in)
		fmt.Fprint(out, "\n"+after)
		return line, err
	})
}

// readHidden reads a line without echo. Ctrl-D ends it as Ctrl-C does, unless
// something was typed: term.ReadPassword would wait for the next line and take
// that.
func readHidden(in *os.File) ([]byte, error) {
	state, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return nil, err
	}
	defer term.Restore(int(in.Fd()), state)
	var line hiddenLine
	r := bufio.NewReader(in)
	for {
		c, _, err := r.ReadRune()
		if err != nil {
			return nil, errInterrupted
		}
		if done, err := line.key(c); done {
			return line.text, err
		}
	}
}

// confirm shows what it is about and asks a question on the terminal and reports whether the answer is
// yes.
func confirm(what, question string) (bool, error) {
	line, err := ask(what+"◇ "+question+"\n  yes / no: ", func(in, _ *os.File) (string, error) {
		line, err := bufio.NewReader(in).ReadString('\n')
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return line, err
	})
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes":
		return err == nil, err
	}
	return false, err
}

// ask opens the terminal, prints prompt and lets read fetch the answer. An
// interrupt leaves the terminal as it was.
func ask[T any](prompt string, read func(in, out *os.File) (T, error)) (none T, err error) {
	in, out, err := openTerminal()
	if err != nil {
		return none, errNoTerminal
	}
	defer out.Close()
	defer in.Close()
	state, err := term.GetState(int(in.Fd()))
	if err != nil {
		return none, errNoTerminal
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if _, err := fmt.Fprint(out, prompt); err != nil {
		return none, fmt.Errorf("asking on the terminal: %w", err)
	}
	type result struct {
		line T
		err  error
	}
	answered := make(chan result, 1) // buffered: an interrupt leaves the reader behind, and the process ends
	go func() {
		line, err := read(in, out)
		answered <- result{line, err}
	}()
	select {
	case r := <-answered:
		if errors.Is(r.err, errInterrupted) {
			return none, errInterrupted
		}
		if r.err != nil {
			return none, fmt.Errorf("reading from the terminal: %w", r.err)
		}
		return r.line, nil
	case <-ctx.Done():
		term.Restore(int(in.Fd()), state)
		fmt.Fprintln(out)
		return none, errInterrupted
	}
}
