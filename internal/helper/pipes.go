package helper

import (
	"io"
	"os"
	"os/exec"
	"sync"
	"time"
)

// leftover is how long the output of a command that has ended is waited for.
const leftover = time.Second

// pipe3 is what a command reads and writes, and what it has written.
type pipe3 struct {
	ours, theirs []*os.File
	out, err     bounded
	whole        bool // the output was read to its end
	done         sync.WaitGroup
}

// pipes gives cmd its standard streams; over is called when it prints more than max bytes.
func pipes(cmd *exec.Cmd, max int, over func()) (*pipe3, error) {
	p := &pipe3{out: bounded{max: max, over: over}, err: bounded{max: maxErrors}}
	for i := range 3 {
		r, w, err := os.Pipe()
		if err != nil {
			p.close()
			return nil, err
		}
		if i == 0 {
			r, w = w, r
		}
		p.ours, p.theirs = append(p.ours, r), append(p.theirs, w)
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = p.theirs[0], p.theirs[1], p.theirs[2]
	return p, nil
}

// begin feeds and reads the command once it runs.
func (p *pipe3) begin(stdin []byte) {
	closeAll(p.theirs)
	p.done.Go(func() { // it need not read
		_, _ = p.ours[0].Write(stdin)
		_ = p.ours[0].Close()
	})
	p.done.Go(func() {
		_, err := io.Copy(&p.out, p.ours[1])
		p.whole = err == nil
	})
	p.done.Go(func() { _, _ = io.Copy(&p.err, p.ours[2]) })
}

// end waits for the rest, and reports whether the output is whole.
func (p *pipe3) end() bool {
	for _, f := range p.ours {
		_ = f.SetDeadline(time.Now().Add(leftover))
	}
	p.done.Wait()
	return p.whole
}

func (p *pipe3) close() {
	closeAll(p.ours)
	closeAll(p.theirs)
}

// closeAll closes what is not closed yet. Nothing was written that could be lost.
func closeAll(files []*os.File) {
	for _, f := range files {
		_ = f.Close()
	}
}

// bounded keeps the first max bytes, and calls over, if there is one, at the first
// beyond them.
type bounded struct {
	kept []byte // no bytes.Buffer, whose ReadFrom would go round the bound
	max  int
	over func()
}

func (b *bounded) Write(p []byte) (int, error) {
	n := len(p)
	if room := b.max - len(b.kept); n > room {
		p = p[:room]
		if b.over != nil {
			b.over()
		}
	}
	b.kept = append(b.kept, p...)
	return n, nil
}
