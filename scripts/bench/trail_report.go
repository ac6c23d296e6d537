package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/store"
)

const (
	fewEvents  = 10_000
	goalPages  = 1.5 // the first page among many events, against the same among few
	goalBytes  = 600 // an event, on disk
	goalVerify = 1_000_000

	appends   = 2000 // events, a commit each
	hashBytes = 64 << 20
)

// trailReport is what the trail costs.
type trailReport struct {
	Events        int     `json:"events"`
	SpreadFew     float64 `json:"page_spread_few_us"`
	SpreadMany    float64 `json:"page_spread_many_us"`
	OldestFew     float64 `json:"page_oldest_few_us"`
	OldestMany    float64 `json:"page_oldest_many_us"`
	BytesPerEvent float64 `json:"bytes_per_event"`
	Verified      float64 `json:"verified_per_second"`
	Hashed        float64 `json:"hashed_per_second"`          // the floor of one core: SHA-256 of as many bytes
	Singly        float64 `json:"verified_singly_per_second"` // where each event has a commit, and so a signature, of its own
	Append        stats   `json:"append"`                     // one event, durable
}

// measureTrail fills a trail with few events, then with n, and measures it.
func measureTrail(ctx context.Context, dir string, n int) (r trailReport, err error) {
	r.Events = n
	if r.Append, r.Singly, err = measureAppend(ctx, dir); err != nil {
		return r, fmt.Errorf("appending events: %w", err)
	}
	t, err := newTrail(ctx, dir)
	if err != nil {
		return r, fmt.Errorf("making a trail: %w", err)
	}
	defer t.db.Close()
	for _, at := range []struct {
		events         int
		spread, oldest *float64
	}{{fewEvents, &r.SpreadFew, &r.OldestFew}, {n, &r.SpreadMany, &r.OldestMany}} {
		if err := t.grow(ctx, at.events); err != nil {
			return r, fmt.Errorf("filling a trail: %w", err)
		}
		if *at.spread, err = t.page(ctx, spread); err != nil {
			return r, err
		}
		if *at.oldest, err = t.page(ctx, oldest); err != nil {
			return r, err
		}
	}
	if err := t.db.Close(); err != nil {
		return r, err
	}
	info, err := os.Stat(t.path)
	if err != nil {
		return r, err
	}
	r.BytesPerEvent = float64(info.Size()) / float64(n)
	r.Hashed = hashFloor(int(r.BytesPerEvent))
	r.Verified, err = verifyRate(ctx, t.path)
	return r, errors.Join(err, os.Remove(t.path))
}

// measureAppend measures what a read's event adds to it when nobody else commits, and
// how fast such a trail verifies.
func measureAppend(ctx context.Context, dir string) (s stats, verified float64, err error) {
	t, err := newTrail(ctx, dir)
	if err != nil {
		return s, 0, err
	}
	defer os.Remove(t.path)
	defer t.db.Close()
	var took samples
	begin, seen := time.Now(), make([]time.Duration, 0, appends)
	for n := range appends {
		sent := time.Now()
		err := t.db.Update(ctx, func(tx *store.Tx) error {
			_, err := t.log.Append(tx, event(n))
			return err
		})
		if err != nil {
			return s, 0, err
		}
		seen = append(seen, time.Since(sent))
	}
	took.add(time.Since(begin), seen)
	if err := t.db.Close(); err != nil {
		return s, 0, err
	}
	verified, err = verifyRate(ctx, t.path)
	return took.stats(), verified, err
}

// verifyRate is how many events a second a check of all passes, from the file.
func verifyRate(ctx context.Context, path string) (float64, error) {
	db, err := store.Open(store.Config{Path: path, ReadOnly: true})
	if err != nil {
		return 0, err
	}
	defer db.Close()
	begin := time.Now()
	rep, err := audit.Verify(ctx, db)
	if err != nil {
		return 0, err
	}
	if rep.Problem != "" {
		return 0, fmt.Errorf("the trail does not verify: event %d: %s", rep.FirstBad, rep.Problem)
	}
	return float64(rep.Events) / time.Since(begin).Seconds(), nil
}

// hashFloor is how many events of so many bytes one core hashes a second.
func hashFloor(size int) float64 {
	b, n := make([]byte, size), hashBytes/size
	begin := time.Now()
	for range n {
		sum := sha256.Sum256(b)
		b[0] = sum[0]
	}
	return float64(n) / time.Since(begin).Seconds()
}

func (r trailReport) print(w io.Writer, read float64) error {
	fmt.Fprintf(w, "\nthe trail, with %d events in commits of %d\n\n", r.Events, perCommit)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(what, value, floor string, ratio float64, goal string) {
		fmt.Fprintf(t, "%s\t%s\t%s\t%.2f\t  %s\n", what, value, floor, ratio, goal)
	}
	fmt.Fprintf(t, "\t\tfloor\tratio\t  goal\n")
	pages := func(what string, few, many float64) {
		row(what, fmt.Sprintf("%.0f us", many), fmt.Sprintf("%.0f us", few), many/few, fmt.Sprintf("%.1f or less: %s", goalPages, met(many/few <= goalPages)))
	}
	pages(fmt.Sprintf("first page, one event of 100 matches; floor: of %d events", fewEvents), r.SpreadFew, r.SpreadMany)
	pages("first page, the oldest 50 match; floor: the same", r.OldestFew, r.OldestMany)
	row("events verified a second; floor: SHA-256 of as many bytes, one core", fmt.Sprintf("%.0f", r.Verified), fmt.Sprintf("%.0f", r.Hashed), r.Verified/r.Hashed,
		fmt.Sprintf("%d a second: %s", goalVerify, met(r.Verified >= goalVerify)))
	row("the same with a commit and a signature each; floor: the same", fmt.Sprintf("%.0f", r.Singly), fmt.Sprintf("%.0f", r.Hashed), r.Singly/r.Hashed, "")
	row("bytes an event on disk, with indexes; floor: the goal", fmt.Sprintf("%.0f", r.BytesPerEvent), fmt.Sprint(goalBytes), r.BytesPerEvent/goalBytes, met(r.BytesPerEvent <= goalBytes))
	row("p50 of a durable event, one client; floor: a read over the socket", fmt.Sprintf("%.0f us", r.Append.P50), fmt.Sprintf("%.0f us", read), r.Append.P50/read, "")
	return t.Flush()
}
