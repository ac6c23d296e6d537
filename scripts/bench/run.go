package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// rounds is into how many turns of vault and floor a cell is cut.
const rounds = 8

var clientCounts = []int{1, 16, 64}

// run makes a vault, measures it, and checks its trail at the end.
func run(ctx context.Context, s settings) (_ *report, err error) {
	root, err := os.MkdirTemp(s.dir, "assd-bench-")
	if err != nil {
		return nil, fmt.Errorf("making a directory for the data: %w", err)
	}
	defer os.RemoveAll(root)
	v, err := initVault(ctx, s.assd, root)
	if err != nil {
		return nil, err
	}
	sizes, err := v.writtenSizes(ctx)
	if err != nil {
		return nil, err
	}
	r := &report{System: runtime.GOOS + "/" + runtime.GOARCH, CPUs: runtime.NumCPU(), Dir: s.dir, ValueBytes: len(value)}
	if err := measure(ctx, s, v, sizes, r); err != nil {
		return nil, err
	}
	if r.Verified, err = v.verify(ctx); err != nil {
		return nil, err
	}
	if r.Trail, err = measureTrail(ctx, root, s.events); err != nil {
		return nil, err
	}
	return r, nil
}

// measure fills r while the daemon and the floors run.
func measure(ctx context.Context, s settings, v *vault, sizes map[string]int, r *report) error {
	stopVault, err := v.serve(ctx)
	if err != nil {
		return err
	}
	defer stopVault()
	floorSocket := filepath.Join(v.root, "floor.sock")
	stopFloor, err := startFloor(ctx, floorSocket)
	if err != nil {
		return err
	}
	defer stopFloor()
	disk, err := openDisk(filepath.Join(v.root, "floor.db"))
	if err != nil {
		return err
	}
	defer disk.close()

	ops, err := v.operations(ctx)
	if err != nil {
		return err
	}
	vaultEnd, floorEnd := newEndpoint(v.socket), newEndpoint(floorSocket)
	for _, op := range ops {
		for _, n := range clientCounts {
			c := cell{Operation: op.name, Clients: n, CommitBytes: sizes[op.event]}
			if err := c.measure(ctx, s.duration/rounds, op, vaultEnd, floorEnd, disk); err != nil {
				return fmt.Errorf("%s by %d clients: %w", op.name, n, err)
			}
			r.Cells = append(r.Cells, c)
		}
	}
	r.Processes, err = measureProcesses(ctx, s, v)
	return err
}

// measure loads vault and floors in turns of d each.
func (c *cell) measure(ctx context.Context, d time.Duration, op operation, vault, floor *endpoint, disk *disk) error {
	var atVault, atFloor, commits samples
	for range rounds {
		if err := floor.load(ctx, op, c.Clients, d, &atFloor); err != nil {
			return fmt.Errorf("loading the socket floor: %w", err)
		}
		if c.Clients == 1 {
			if err := disk.commits(ctx, c.CommitBytes, d, &commits); err != nil {
				return fmt.Errorf("loading the commit floor: %w", err)
			}
		}
		if err := vault.load(ctx, op, c.Clients, d, &atVault); err != nil {
			return err
		}
	}
	c.Vault, c.Socket, c.Commit = atVault.stats(), atFloor.stats(), commits.stats()
	c.judge()
	return ctx.Err()
}
