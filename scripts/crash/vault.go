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
	"time"
)

// vault is a throw-away vault.
type vault struct {
	assd, root, data, socket, owner string
}

func initVault(ctx context.Context, assd, root string) (*vault, error) {
	v := &vault{assd: assd, root: root, data: filepath.Join(root, "data"), socket: filepath.Join(root, "run", "assd.sock")}
	out, err := v.command(ctx, "init", "--data-dir", v.data, "--json").Output()
	if err != nil {
		return nil, fmt.Errorf("making a vault: %w", withStderr(err))
	}
	var made struct {
		OwnerKey string `json:"owner_key"`
	}
	if err := json.Unmarshal(out, &made); err != nil || made.OwnerKey == "" {
		return nil, errors.New("assd init gave no owner key")
	}
	v.owner = made.OwnerKey
	// The keys of agents that were revoked are tried, which the limit would soon refuse.
	return v, os.WriteFile(filepath.Join(v.data, "assd.toml"), []byte("[limits]\nfailed_auth_per_minute = 0\n"), 0o600)
}

// command runs assd away from the configuration of whoever runs this.
func (v *vault) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, v.assd, args...)
	cmd.Env = []string{"HOME=" + v.root, "PATH=" + os.Getenv("PATH")}
	return cmd
}

// daemon is one life of assd.
type daemon struct {
	cmd    *exec.Cmd
	stderr bytes.Buffer
	ended  chan struct{}
}

// start starts the daemon; where says at which point it is to end, or "".
func (v *vault) start(ctx context.Context, where string) (*daemon, error) {
	d := &daemon{cmd: v.command(ctx, "serve", "--data-dir", v.data, "--socket", v.socket), ended: make(chan struct{})}
	if where != "" {
		d.cmd.Env = append(d.cmd.Env, "ASSD_CRASH_AT="+where)
	}
	d.cmd.Stderr = &d.stderr
	if err := d.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", v.assd, err)
	}
	go func() {
		d.cmd.Wait() //nolint:errcheck // it is killed
		close(d.ended)
	}()
	return d, nil
}

// kill ends the daemon as nothing can be ended harder, and waits for it.
func (d *daemon) kill() {
	d.cmd.Process.Kill() //nolint:errcheck // it may have ended at its point
	<-d.ended
}

// killed is an error unless the daemon ended by a SIGKILL.
func (d *daemon) killed() error {
	if state := d.cmd.ProcessState; state.Exited() {
		return fmt.Errorf("the daemon ended by itself (%v): %s", state, d.stderr.String())
	}
	return nil
}

// await waits until the daemon answers.
func (d *daemon) await(ctx context.Context, c *caller) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		_, err := c.call(ctx, "GET", "/v1/health", "", nil, nil)
		if err == nil {
			return nil
		}
		select {
		case <-d.ended:
			return fmt.Errorf("it did not start: %s", d.stderr.String())
		case <-ctx.Done():
			return fmt.Errorf("it does not answer: %w", err)
		case <-time.After(3 * time.Millisecond):
		}
	}
}

// verified is what assd verify says of the files, as an error, and how many events
// there are.
func (v *vault) verified(ctx context.Context) (events uint64, err error) {
	out, err := v.command(ctx, "verify", "--data-dir", v.data, "--json").Output()
	if err != nil {
		return 0, fmt.Errorf("the files do not verify: %w: %s", withStderr(err), out)
	}
	var said struct {
		OK     bool
		Events uint64
	}
	if err := json.Unmarshal(out, &said); err != nil || !said.OK {
		return 0, fmt.Errorf("assd verify said %s", out)
	}
	return said.Events, nil
}

func withStderr(err error) error {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return fmt.Errorf("%w: %s", err, bytes.TrimSpace(exit.Stderr))
	}
	return err
}

// killAfter lets the daemon live so long, or until it has ended at its point.
func (d *daemon) killAfter(long time.Duration) {
	select {
	case <-d.ended:
	case <-time.After(long):
		d.kill()
	}
}
