package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"
)

// processes compares ass as a whole process with one that does nothing.
type processes struct {
	Get      stats   `json:"ass_secrets_get"`
	Run      stats   `json:"ass_run_true"`
	True     stats   `json:"true"`
	Extra    float64 `json:"extra_us"` // of the medians, microseconds
	RunExtra float64 `json:"run_extra_us"`
}

// measureProcesses starts ass secrets get, ass run and true in turns.
func measureProcesses(ctx context.Context, s settings, v *vault) (processes, error) {
	nothing, err := exec.LookPath("true")
	if err != nil {
		return processes{}, err
	}
	var get, run, idle samples
	for range s.runs {
		if _, err := v.time(ctx, &idle, nothing); err != nil {
			return processes{}, err
		}
		out, err := v.time(ctx, &get, s.ass, "secrets", "get", namespace+"/READ")
		if err != nil {
			return processes{}, err
		}
		if out != value {
			return processes{}, errors.New("ass secrets get printed something else than the value")
		}
		if _, err := v.time(ctx, &run, s.ass, "run", "--quiet", "--namespace", namespace, "--keys", "READ", "--", nothing); err != nil {
			return processes{}, err
		}
	}
	p := processes{Get: get.stats(), Run: run.stats(), True: idle.stats()}
	p.Extra, p.RunExtra = p.Get.P50-p.True.P50, p.Run.P50-p.True.P50
	return p, nil
}

// time runs a process to its end and adds how long it took to s.
func (v *vault) time(ctx context.Context, s *samples, name string, args ...string) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = []string{"HOME=" + v.root, "PATH=" + os.Getenv("PATH"), "ASS_API_URL=unix://" + v.socket, "ASS_AGENT_KEY=" + v.ownerKey}
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	begin := time.Now()
	err := cmd.Run()
	took := time.Since(begin)
	if err != nil {
		return "", fmt.Errorf("running %s: %w: %s", name, err, bytes.TrimSpace(stderr.Bytes()))
	}
	s.add(took, []time.Duration{took})
	return stdout.String(), nil
}
