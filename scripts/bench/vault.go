package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// vault is a throw-away vault and the daemon on it.
type vault struct {
	assd     string // the binary
	root     string // holds all below
	data     string
	socket   string
	ownerKey string
}

const (
	startTimeout = 10 * time.Second
	stopTimeout  = 20 * time.Second
)

// initVault makes a vault in root with assd init.
func initVault(ctx context.Context, assd, root string) (*vault, error) {
	v := &vault{assd: assd, root: root, data: filepath.Join(root, "data"), socket: filepath.Join(root, "run", "assd.sock")}
	out, err := v.command(ctx, "init", "--data-dir", v.data, "--json").Output()
	if err != nil {
		return nil, fmt.Errorf("making a vault with %s init: %w", assd, withStderr(err))
	}
	var made struct {
		OwnerKey string `json:"owner_key"`
	}
	if err := json.Unmarshal(out, &made); err != nil || made.OwnerKey == "" {
		return nil, errors.New("assd init gave no owner key")
	}
	v.ownerKey = made.OwnerKey
	return v, nil
}

// command runs assd away from the configuration of whoever runs the bench.
func (v *vault) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, v.assd, args...)
	cmd.Env = []string{"HOME=" + v.root, "PATH=" + os.Getenv("PATH")}
	return cmd
}

// serve starts the daemon, waits until it answers, and returns what stops it.
func (v *vault) serve(ctx context.Context) (stop func() error, err error) {
	cmd := v.command(ctx, "serve", "--data-dir", v.data, "--socket", v.socket)
	return start(ctx, cmd, v.socket)
}

// start runs a server process until stop, which sends SIGTERM. It returns once
// the server answers on socket.
func start(ctx context.Context, cmd *exec.Cmd, socket string) (stop func() error, err error) {
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopTimeout
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", cmd.Path, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	stop = func() error {
		cmd.Process.Signal(syscall.SIGTERM) //nolint:errcheck // it may have ended already
		return <-ended
	}
	if err := awaitAnswer(ctx, socket, ended); err != nil {
		stop() //nolint:errcheck // it never answered
		return nil, fmt.Errorf("starting %s: %w\n%s", cmd.Path, err, stderr.String())
	}
	return stop, nil
}

// awaitAnswer asks for health until an answer comes or the process ends.
func awaitAnswer(ctx context.Context, socket string, ended chan error) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	server := newEndpoint(socket)
	for {
		err := server.do(ctx, request{method: "GET", path: "/v1/health"}, nil)
		if err == nil {
			return nil
		}
		select {
		case how := <-ended:
			ended <- how // for stop
			return fmt.Errorf("it ended before it answered (%v)", how)
		case <-ctx.Done():
			return err
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// verify checks the whole trail with assd verify and returns its first line.
func (v *vault) verify(ctx context.Context) (string, error) {
	out, err := v.command(ctx, "verify", "--data-dir", v.data).Output()
	if err != nil {
		return "", fmt.Errorf("verifying the trail: %w", withStderr(err))
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return line, nil
}

// withStderr adds what the process said to the error of its end.
func withStderr(err error) error {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return fmt.Errorf("%w: %s", err, bytes.TrimSpace(exit.Stderr))
	}
	return err
}
