package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// idleArgument makes this program end at once: the floor of any Go program that
// speaks HTTP, as ass does.
const idleArgument = "idle"

// process is how long a program takes from its start to its end.
type process struct {
	Name string `json:"name"`
	stats
	OverTrue float64 `json:"over_true_us"` // of the medians, microseconds
	OverIdle float64 `json:"over_idle_us"`
	Goal     string  `json:"goal,omitempty"`

	args []string
	out  string // what it has to print, where that counts
}

// measureProcesses starts what a script starts in turns: true, an idle Go program,
// and ass in its uses.
func measureProcesses(ctx context.Context, s settings, v *vault) ([]process, error) {
	nothing, err := exec.LookPath("true")
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program: %w", err)
	}
	run := []string{s.ass, "run", "--quiet", "--namespace", namespace, "--keys", "READ"}
	ps := []process{
		{Name: "true", args: []string{nothing}},
		{Name: "idle Go program", args: []string{self, idleArgument}},
		{Name: "ass secrets get", args: []string{s.ass, "secrets", "get", namespace + "/READ"}, out: value},
		{Name: "ass run --no-masking -- true", args: append(run, "--no-masking", "--", nothing)},
		{Name: "ass run -- true", args: append(run, "--", nothing)},
	}
	taken := make([]samples, len(ps))
	for range s.runs {
		for i, p := range ps {
			out, err := v.time(ctx, &taken[i], p.args)
			if err != nil {
				return nil, err
			}
			if p.out != "" && out != p.out {
				return nil, errors.New(p.Name + " printed something else than the value")
			}
		}
	}
	for i := range ps {
		ps[i].stats = taken[i].stats()
		ps[i].OverTrue = ps[i].P50 - ps[0].P50
		ps[i].OverIdle = ps[i].P50 - ps[1].P50
		if strings.HasSuffix(ps[i].Name, "get") {
			ps[i].Goal = fmt.Sprintf("%.0f or less over true: %s", goalProcess/1000.0, met(ps[i].OverTrue <= goalProcess))
		}
	}
	return ps, nil
}

// time runs a process to its end and adds how long it took to s.
func (v *vault) time(ctx context.Context, s *samples, args []string) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = []string{"HOME=" + v.root, "PATH=" + os.Getenv("PATH"), "ASS_API_URL=unix://" + v.socket, "ASS_AGENT_KEY=" + v.ownerKey}
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	begin := time.Now()
	err := cmd.Run()
	took := time.Since(begin)
	if err != nil {
		return "", fmt.Errorf("running %s: %w: %s", args[0], err, bytes.TrimSpace(stderr.Bytes()))
	}
	s.add(took, []time.Duration{took})
	return stdout.String(), nil
}
