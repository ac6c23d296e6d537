package main

import (
	"errors"
	"fmt"
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
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(interrupted)
	f, err := o.draft()
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone, once it has its place
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
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

// fault says what is wrong, without the names of files.
func (o outFile) fault(err error) error {
	why := bareError(err)
	if no := syscall.Errno(0); errors.As(err, &no) {
		why = no
	}
	hint := "name another file, or leave --out out"
	if errors.Is(err, fs.ErrNotExist) {
		hint = "make its folder first, or name another file"
	}
	return &fault{code: codeFailed, message: fmt.Sprintf("the file of --out cannot be written: %v", why), hint: hint}
}
