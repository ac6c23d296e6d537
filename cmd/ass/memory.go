package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/agent-secret-store/assd/audit/chain"
)

// memory keeps the highest checkpoint of each vault that was seen from here, a file for
// each tenant: so a trail that was cut, put back or made anew is noticed by whoever has
// seen more of it.
type memory struct{ dir string }

func newMemory() (memory, error) {
	dir := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(dir) { // as the specification of it has it
		h, err := home()
		if err != nil {
			return memory{}, err
		}
		dir = filepath.Join(h, ".local", "state")
	}
	return memory{filepath.Join(dir, "ass", "checkpoints")}, nil
}

func (m memory) path(tenant string) string { return filepath.Join(m.dir, tenant) }

// of is the checkpoint kept for a tenant whose name was checked; nil: there is none.
func (m memory) of(tenant string) (*chain.Checkpoint, error) {
	f, err := os.Open(m.path(tenant))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the checkpoint seen last: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, chain.MaxCheckpoint+1))
	if err != nil {
		return nil, fmt.Errorf("reading the checkpoint seen last: %w", err)
	}
	c, err := chain.ParseCheckpoint(b)
	if err == nil && c.Tenant != tenant {
		err = chain.ErrOtherVault
	}
	if err != nil {
		return nil, &fault{
			code: codeFailed, message: fmt.Sprintf("%s, where the checkpoint seen last is kept: %v", m.path(tenant), err),
			hint: "look who changed it; to begin anew with what the daemon says now: ass audit checkpoint --forget",
		}
	}
	return &c, nil
}

// keep puts c in the place of what was kept, whole or not at all.
func (m memory) keep(c chain.Checkpoint) error {
	if err := os.MkdirAll(m.dir, 0o700); err != nil {
		return fmt.Errorf("keeping the checkpoint: %w", err)
	}
	f, err := os.CreateTemp(m.dir, ".new-*") // mode 0600
	if err != nil {
		return fmt.Errorf("keeping the checkpoint: %w", err)
	}
	defer os.Remove(f.Name()) // gone, once it has its place
	_, err = f.WriteString(c.String())
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), m.path(c.Tenant))
	}
	if err != nil {
		return fmt.Errorf("keeping the checkpoint: %w", err)
	}
	return nil
}

// forget removes what is kept for a tenant.
func (m memory) forget(tenant string) error {
	if err := os.Remove(m.path(tenant)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forgetting the checkpoint: %w", err)
	}
	return nil
}
