package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
)

// Goals: a read by one client, a read by the most clients, and ass as a whole
// process beyond one that does nothing.
const (
	goalOne     = 1.5
	goalMany    = 0.5
	goalProcess = 10_000 // microseconds
)

// cell is one line of the table.
type cell struct {
	Operation   string  `json:"operation"`
	Clients     int     `json:"clients"`
	Vault       stats   `json:"vault"`
	Socket      stats   `json:"socket_floor"`
	Commit      stats   `json:"commit_floor"` // for one client
	CommitBytes int     `json:"commit_bytes"` // of the record in the commit floor
	Ratio       float64 `json:"ratio"`
	Of          string  `json:"ratio_of"`
	Goal        string  `json:"goal,omitempty"`
}

// judge sets the ratio: of medians for one client, of rates for many.
func (c *cell) judge() {
	if c.Clients == 1 {
		c.Ratio, c.Of = c.Vault.P50/(c.Socket.P50+c.Commit.P50), "latency / (socket + commit floor)"
	} else {
		c.Ratio, c.Of = c.Vault.PerSecond/c.Socket.PerSecond, "rate / socket floor's rate"
	}
	switch {
	case c.Operation == "read" && c.Clients == 1:
		c.Goal = fmt.Sprintf("%.1f or less: %s", goalOne, met(c.Ratio <= goalOne))
	case c.Operation == "read" && c.Clients == clientCounts[len(clientCounts)-1]:
		c.Goal = fmt.Sprintf("%.1f or more: %s", goalMany, met(c.Ratio >= goalMany))
	}
}

func met(ok bool) string {
	if ok {
		return "met"
	}
	return "missed"
}

// report is all that a run found.
type report struct {
	System     string      `json:"system"`
	CPUs       int         `json:"cpus"`
	Dir        string      `json:"dir"`
	ValueBytes int         `json:"value_bytes"`
	Cells      []cell      `json:"cells"`
	Processes  []process   `json:"processes"`
	Trail      trailReport `json:"trail"`
	Verified   string      `json:"verified"` // what assd verify said of the trail
}

func (r *report) print(w io.Writer, asJSON bool) error {
	if asJSON {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(r)
	}
	fmt.Fprintf(w, "%s, %d CPUs, data in %s, values of %d bytes; times in microseconds\n\n", r.System, r.CPUs, r.Dir, r.ValueBytes)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tclients\tops/s\tp50\tp99\tsocket ops/s\tp50\tcommit p50\tratio\t  goal")
	for _, c := range r.Cells {
		commit := ""
		if c.Clients == 1 {
			commit = fmt.Sprintf("%.0f", c.Commit.P50)
		}
		fmt.Fprintf(t, "%s\t%d\t%.0f\t%.0f\t%.0f\t%.0f\t%.0f\t%s\t%.2f\t  %s\n", c.Operation, c.Clients,
			c.Vault.PerSecond, c.Vault.P50, c.Vault.P99, c.Socket.PerSecond, c.Socket.P50, commit, c.Ratio, c.Goal)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprint(w, "\nratio: for 1 client p50 / (socket p50 + commit p50), else ops/s / socket ops/s\n\n")
	t = tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "milliseconds as a whole process\tp50\tover true\tover idle\t  goal")
	for _, p := range r.Processes {
		fmt.Fprintf(t, "%s\t%.1f\t%.1f\t%.1f\t  %s\n", p.Name, p.P50/1000, p.OverTrue/1000, p.OverIdle/1000, p.Goal)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if err := r.Trail.print(w, r.Cells[0].Vault.P50); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\nassd verify: %s\n", r.Verified)
	return err
}
