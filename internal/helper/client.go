package helper

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// ErrGone says that the helper has ended.
var ErrGone = errors.New("the helper that runs commands has ended: restart assd")

// Failure is a run that has failed: why is in words of ours and holds nothing that the
// command has printed.
type Failure struct{ Why string }

func (f *Failure) Error() string { return f.Why }

// Helper is the process as the daemon has it. Its methods are safe for concurrent use.
type Helper struct {
	conn    net.Conn
	process *os.Process   // nil where a test is at the other end
	ended   chan struct{} // closed when it has
	gone    chan struct{}
	whole   bool // the last message came to its end; set before gone is closed

	writing sync.Mutex

	mu      sync.Mutex
	next    uint64
	waiting map[uint64]chan frame
}

// Start runs this very program with args, which must end in [Serve] on [Inherited].
func Start(args ...string) (*Helper, error) {
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, fmt.Errorf("starting the helper: %w", err)
	}
	defer theirs.Close()
	self, err := os.Executable()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting the helper: %w", err), ours.Close())
	}
	cmd := exec.Command(self, args...)
	cmd.Env, cmd.Dir = environment(), "/"
	cmd.Stderr = os.Stderr
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // a terminal's Ctrl-C is the daemon's to obey
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("starting the helper: %w", err), ours.Close())
	}
	h := Dial(ours)
	h.reap(cmd.Process, func() { _ = cmd.Wait() }) // how it ended, is said by who misses it
	return h, nil
}

// reap waits for the end of the process.
func (h *Helper) reap(p *os.Process, wait func()) {
	h.process, h.ended = p, make(chan struct{})
	go func() {
		wait()
		close(h.ended)
	}()
}

// Left is what a program that executes itself anew has to know of its helper.
type Left struct {
	PID  int    `json:"pid"`
	Next uint64 `json:"next"` // requests so far
}

// Leave stops listening to the helper, which goes on, and gives what it is reached over.
// Nobody may wait for it any more. It fails where the helper is gone, or in the midst of
// an answer.
func (h *Helper) Leave() (Left, syscall.Conn, error) {
	conn, ok := h.conn.(syscall.Conn)
	if !ok || h.process == nil {
		return Left{}, nil, errors.New("the helper is none that can be left")
	}
	if err := h.conn.SetReadDeadline(time.Now()); err != nil {
		return Left{}, nil, err
	}
	<-h.gone
	if !h.whole {
		return Left{}, nil, ErrGone
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return Left{h.process.Pid, h.next}, conn, nil
}

// Adopt is the helper that the program before has left, at the other end of conn.
func Adopt(conn net.Conn, left Left) (*Helper, error) {
	p, err := os.FindProcess(left.PID)
	if err != nil {
		return nil, fmt.Errorf("taking over the helper: %w", err)
	}
	h := &Helper{conn: conn, next: left.Next, gone: make(chan struct{}), waiting: map[uint64]chan frame{}}
	go h.read()
	h.reap(p, func() { _, _ = p.Wait() })
	return h, nil
}

// Dial talks to the helper at the other end of conn.
func Dial(conn net.Conn) *Helper {
	h := &Helper{conn: conn, gone: make(chan struct{}), waiting: map[uint64]chan frame{}}
	go h.read()
	return h
}

// socketPair is two ends that no other program inherits.
func socketPair() (net.Conn, *os.File, error) {
	syscall.ForkLock.RLock()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fds[0])
		syscall.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, err
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "helper"), os.NewFile(uintptr(fds[1]), "helper")
	defer ours.Close() // FileConn has its own
	conn, err := net.FileConn(ours)
	if err != nil {
		return nil, nil, errors.Join(err, theirs.Close())
	}
	return conn, theirs, nil
}

// read hands answers to those who wait for them, until the helper goes.
func (h *Helper) read() {
	defer close(h.gone)
	for {
		in := &counting{Reader: h.conn}
		f, err := readFrame(in)
		if err != nil {
			h.whole = in.n == 0 && errors.Is(err, os.ErrDeadlineExceeded)
			return
		}
		h.mu.Lock()
		c := h.waiting[f.ID]
		delete(h.waiting, f.ID)
		h.mu.Unlock()
		if c != nil {
			c <- f
		}
	}
}

// counting counts the bytes that were read.
type counting struct {
	io.Reader
	n int
}

func (c *counting) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.n += n
	return n, err
}

// Gone is closed when the helper has ended. It is not started again.
func (h *Helper) Gone() <-chan struct{} { return h.gone }

// Job is a run of one command.
type Job struct {
	Digest  string // of the operator's file in force
	Index   int    // of the command in it
	Timeout time.Duration
	Stdin   []byte
}

// Run runs a command to its end. It fails with a [Failure], with what the command has
// written until then, with [ErrGone], or when ctx ends: then the command is killed.
func (h *Helper) Run(ctx context.Context, j Job) (Printed, error) {
	f, err := h.ask(ctx, frame{head{Op: opRun, Digest: j.Digest, Index: j.Index, Timeout: j.Timeout}, j.Stdin})
	if err != nil {
		return Printed{}, err
	}
	p := Printed{f.body[:f.Printed:f.Printed], f.body[f.Printed:]}
	if f.Why != "" {
		return p, &Failure{f.Why}
	}
	return p, nil
}

// Loaded is what the helper has found in the operator's file.
type Loaded struct {
	Digest   string
	Problems map[int]string // why commands, by their places, would not be run as things are
}

// Load has the helper read the operator's file again. It goes on knowing the text with
// the digest inForce.
func (h *Helper) Load(ctx context.Context, inForce string) (Loaded, error) {
	f, err := h.ask(ctx, frame{head: head{Op: opLoad, Digest: inForce}})
	if err != nil {
		return Loaded{}, err
	}
	if f.Why != "" {
		return Loaded{}, &Failure{f.Why}
	}
	return Loaded{f.Digest, f.Problems}, nil
}

func (h *Helper) ask(ctx context.Context, f frame) (frame, error) {
	answer := make(chan frame, 1)
	h.mu.Lock()
	h.next++
	f.ID = h.next
	h.waiting[f.ID] = answer
	h.mu.Unlock()
	if err := h.send(f); err != nil {
		return frame{}, ErrGone
	}
	select {
	case a := <-answer:
		return a, nil
	case <-ctx.Done():
		if f.Op == opRun {
			return h.stop(f.ID, answer, context.Cause(ctx))
		}
		return frame{}, context.Cause(ctx)
	case <-h.gone:
		return frame{}, ErrGone
	}
}

// stop ends a run that nobody waits for any more, and waits until it has ended.
func (h *Helper) stop(id uint64, answer <-chan frame, why error) (frame, error) {
	if err := h.send(frame{head: head{ID: id, Op: opStop}}); err != nil {
		return frame{}, ErrGone
	}
	select {
	case <-answer:
	case <-time.After(stopTime): // it is killed with the helper
	case <-h.gone:
		return frame{}, ErrGone
	}
	return frame{}, why
}

func (h *Helper) send(f frame) error {
	h.writing.Lock()
	defer h.writing.Unlock()
	return writeFrame(h.conn, f)
}

// stopTime is how long a helper may take to end once the daemon has let go of it.
const stopTime = 2 * time.Second

// Close lets go of the helper, which kills what it runs, and waits for its end.
func (h *Helper) Close() error {
	err := h.conn.Close()
	<-h.gone
	if h.process == nil {
		return err
	}
	select {
	case <-h.ended:
	case <-time.After(stopTime):
		// A daemon that has confined itself may not, and then has done what it can.
		_ = h.process.Kill()
	}
	return err
}
