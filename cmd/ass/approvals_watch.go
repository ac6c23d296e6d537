package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"
)

type approvalsWatchCmd struct{}

// Help shows examples.
func (approvalsWatchCmd) Help() string {
	return `For a second terminal: shows requests as they come. a approves the one shown, d
denies it, j and k or a number choose another, q quits. Where the vault has an
approval passphrase, it is asked for at each approval and never kept. What does not
fit on the screen is not approved from here.

Examples:

  ass approvals watch`
}

// Run shows requests until it is told to stop, and then what was decided.
func (approvalsWatchCmd) Run(a *app) error {
	const instead = "ass approvals list"
	switch {
	case a.JSON:
		return usage("this is for a terminal, and has no JSON", instead+" --json")
	case a.PassphraseFile != nil:
		return usage("the passphrase is asked for at each approval, and comes from no file here", "ass approvals approve ID --passphrase-file FILE")
	}
	cl, err := a.connect()
	if err != nil {
		return err
	}
	defer cl.Close()
	in, out, err := openTerminal()
	if err != nil {
		return usage("there is no terminal to show requests on", instead)
	}
	defer out.Close()
	defer in.Close()
	w := &watch{cl: cl, in: in, out: out, locked: a.takesPassphrase(cl)}
	err = w.onScreen(a.ctx)
	if w.busy {
		a.note("A decision was under way; see what became of it with: ass approvals list --status all")
	}
	for _, sentence := range w.decided {
		if said := a.done(sentence); err == nil {
			err = said
		}
	}
	return err
}

// onScreen has the terminal for as long as it runs, and gives it back as it was.
func (w *watch) onScreen(ctx context.Context) error {
	state, err := term.MakeRaw(int(w.in.Fd()))
	if err != nil {
		return usage("there is no terminal to show requests on", "ass approvals list")
	}
	defer term.Restore(int(w.in.Fd()), state)
	const (
		begin = "\x1b[?1049h\x1b[?7l\x1b[?25l" // another screen, no wrapping, no cursor
		end   = "\x1b[?25h\x1b[?7h\x1b[?1049l"
	)
	if _, err := fmt.Fprint(w.out, begin); err != nil {
		return fmt.Errorf("drawing on the terminal: %w", err)
	}
	defer fmt.Fprint(w.out, end)
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	err = w.run(ctx)
	if errors.Is(err, errInterrupted) {
		return &fault{code: codeFailed, message: "interrupted", hint: "see what waits with: ass approvals list", exit: errInterrupted.exit}
	}
	return err
}

// run takes what comes until somebody quits.
func (w *watch) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	lists, keys := make(chan news), make(chan keyPress)
	w.ctx, w.results = ctx, make(chan result, 1)
	go poll(ctx, w.cl, lists)
	go readKeys(ctx, w.in, keys)
	resized, stop := windowChanges()
	defer stop()
	defer w.line.wipe()
	for {
		if err := w.draw(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return errInterrupted
		case n := <-lists:
			if err := w.take(n); err != nil {
				return err
			}
		case k, ok := <-keys:
			if !ok || w.press(k) {
				return nil
			}
		case r := <-w.results:
			w.settle(r)
		case <-resized:
		}
	}
}
