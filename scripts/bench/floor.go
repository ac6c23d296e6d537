package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

// floorEnv holds the socket when this program is to be the socket floor.
const floorEnv = "ASSD_BENCH_FLOOR_SOCKET"

// startFloor starts this program again as the socket floor, because a server
// in another process is what the vault is, too.
func startFloor(ctx context.Context, socket string) (stop func() error, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program: %w", err)
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), floorEnv+"="+socket)
	return start(ctx, cmd, socket)
}

// serveFloor reads every request to its end and answers with nothing, until
// SIGTERM.
func serveFloor(socket string) error {
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	context.AfterFunc(ctx, func() { listener.Close() })
	err = http.Serve(listener, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) //nolint:errcheck // nothing is made of it
	}))
	if ctx.Err() != nil {
		return nil
	}
	return err
}
