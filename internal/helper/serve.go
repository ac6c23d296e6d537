package helper

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
)

// Text is one text of the operator's file.
type Text struct {
	Digest   string
	Commands []Command // by their places in it
}

// Digest names a text.
func Digest(text []byte) string {
	sum := sha256.Sum256(text)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// maxTexts is how many texts are remembered besides the one that is in force.
const maxTexts = 8

// Serve is the helper: it answers the daemon at the other end of conn until that goes,
// and then kills what still runs. load reads the operator's file; it does so at once,
// and what that names says which folders programs may be in.
func Serve(conn net.Conn, load func() (Text, error)) error {
	ctx, stop := context.WithCancelCause(context.Background())
	s := &server{conn: conn, load: load, ctx: ctx, running: map[uint64]context.CancelCauseFunc{}}
	s.begin()
	err := s.serve()
	stop(errStopped)
	s.done.Wait()
	_ = conn.Close() // it may be already
	return err
}

type server struct {
	conn net.Conn
	load func() (Text, error)
	ctx  context.Context
	done sync.WaitGroup

	// Used by the loop alone.
	folders []string
	texts   []Text // the newest last
	first   error  // why the file could not be read at the start

	mu      sync.Mutex
	running map[uint64]context.CancelCauseFunc
	writing sync.Mutex
}

func (s *server) begin() {
	text, err := s.load()
	if err != nil {
		s.first = err
		return
	}
	s.folders, s.texts = Folders(text.Commands), []Text{text}
}

func (s *server) serve() error {
	for {
		f, err := readFrame(s.conn)
		if errors.Is(err, io.EOF) && !errors.Is(err, errFrame) || errors.Is(err, net.ErrClosed) {
			return nil // the daemon has gone
		}
		if err != nil {
			return err
		}
		switch f.Op {
		case opLoad:
			s.answer(s.reload(f))
		case opRun:
			s.start(f)
		case opStop:
			s.stop(f.ID)
		default:
			return errFrame
		}
	}
}

// answer sends f. If it cannot be sent, the daemon has gone or would wait for ever, and
// the loop ends.
func (s *server) answer(f frame) {
	s.writing.Lock()
	defer s.writing.Unlock()
	f.Why = clipped(f.Why)
	if err := writeFrame(s.conn, f); err != nil {
		_ = s.conn.Close()
	}
}

// reload reads the operator's file again, and says which of its commands would not be
// run as things are.
func (s *server) reload(f frame) frame {
	out := frame{head: head{ID: f.ID, Op: opLoad}}
	text, err := s.load()
	if err == nil {
		err = s.known(text)
	}
	if err != nil {
		out.Why = err.Error()
		return out
	}
	s.keep(text, f.Digest)
	out.Digest, out.Problems = text.Digest, map[int]string{}
	for i, c := range text.Commands {
		if len(c.Argv) == 0 || len(out.Problems) == maxRunning {
			continue
		}
		if err := Check(c.Argv[0]); err != nil {
			out.Problems[i] = clipped(err.Error())
		}
	}
	return out
}

// known refuses a text with a program in a folder that was not there at the start.
func (s *server) known(text Text) error {
	for _, dir := range Folders(text.Commands) {
		if !slices.Contains(s.folders, dir) {
			return fmt.Errorf("a command in %q is new: restart assd", dir)
		}
	}
	return nil
}

// keep remembers a text, and the one whose digest is given.
func (s *server) keep(text Text, inForce string) {
	s.texts = slices.DeleteFunc(s.texts, func(t Text) bool { return t.Digest == text.Digest })
	s.texts = append(s.texts, text)
	if len(s.texts) <= maxTexts {
		return
	}
	oldest := 0
	if s.texts[oldest].Digest == inForce {
		oldest = 1
	}
	s.texts = slices.Delete(s.texts, oldest, oldest+1)
}

// command is what the daemon asks for, of what was read here.
func (s *server) command(digest string, index int) (c Command, why string) {
	i := slices.IndexFunc(s.texts, func(t Text) bool { return t.Digest == digest })
	switch {
	case i < 0 && s.first != nil:
		return c, "the helper could not read the configuration when assd was started (" + s.first.Error() + "): restart assd"
	case i < 0:
		return c, "the configuration in force is not the file that is there, and a command is run only as that has it: put it back, or accept the one that is there"
	case index < 0 || index >= len(s.texts[i].Commands) || len(s.texts[i].Commands[index].Argv) == 0:
		return c, "the configuration has no such command"
	}
	return s.texts[i].Commands[index], ""
}

// start runs what f asks for.
func (s *server) start(f frame) {
	c, why := s.command(f.Digest, f.Index)
	if why == "" {
		why = s.begins(f, c)
	}
	if why != "" {
		s.answer(frame{head: head{ID: f.ID, Op: opRun, Why: why}})
	}
}

func (s *server) begins(f frame, c Command) (why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case len(s.running) >= maxRunning:
		return fmt.Sprintf("%d commands are running already; try again later", maxRunning)
	case s.running[f.ID] != nil || f.Timeout <= 0:
		return "the request makes no sense"
	}
	ctx, cancel := context.WithCancelCause(s.ctx)
	s.running[f.ID] = cancel
	s.done.Go(func() {
		defer cancel(nil)
		p, why := c.run(ctx, min(f.Timeout, c.Timeout), f.body)
		clear(f.body)
		s.mu.Lock()
		delete(s.running, f.ID)
		s.mu.Unlock()
		s.answer(frame{head{ID: f.ID, Op: opRun, Why: why, Printed: len(p.Out)}, append(p.Out, p.Err...)})
	})
	return ""
}

func (s *server) stop(id uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if cancel := s.running[id]; cancel != nil {
		cancel(errStopped)
	}
}
