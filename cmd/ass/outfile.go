package main

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

// outFile is a file that a command prints into: it is for its owner alone, and
// appears whole or not at all.
type outFile struct{ path string }

// check finds out, before there is anything to write, whether it can be written.
func (o outFile) check() error {
	info, err := os.Lstat(o.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return o.fault(err)
	case info.IsDir():
		return usage("--out: that is a folder", "name a file in it")
	case info.Mode()&fs.ModeSymlink != 0:
		return usage("--out: that is a symbolic link, which may lead anywhere", "name the file itself")
	case !info.Mode().IsRegular():
		return usage("--out: that is no regular file", "leave --out out, and redirect what is printed: > FILE")
	}
	f, err := o.draft()
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// draft makes an empty file beside it, mode 0600.
func (o outFile) draft() (*os.File, error) {
	f, err := os.CreateTemp(filepath.Dir(o.path), ".ass-export-*")
	if err != nil {
		return nil, o.fault(err)
	}
	return f, nil
}

// write puts text there. An interrupt that comes meanwhile leaves nothing behind.
func (o outFile) write(text []byte) error {
	return o.fill(func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
}

// fill is write for what fn writes. Its own error is returned as it is.
func (o outFile) fill(fn func(io.Writer) error) error {
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(interrupted)
	f, err := o.draft()
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone, once it has its place
	w := &drafting{file: f}
	if err := fn(w); err != nil && w.err == nil {
		f.Close()
		return err
	}
	if err = errors.Join(w.err, f.Sync(), f.Close()); err != nil {
		return o.fault(err)
	}
	select {
	case <-interrupted:
		return errInterrupted
	default:
	}
	if err := os.Rename(f.Name(), o.path); err != nil {
		return o.fault(err)
	}
	return nil
}

// drafting is a file being written, which keeps what went wrong with it.
type drafting struct {
	file *os.File
	err  error
}

func (d *drafting) Write(b []byte) (int, error) {
	n, err := d.file.Write(b)
	d.err = errors.Join(d.err, err)
	return n, err
}

func (outFile) fault(err error) error {
	return writeFault("the file of --out", err, "name another file, or leave --out out")
}
