package main

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestStats(t *testing.T) {
	var s samples
	for i := 100; i > 0; i-- {
		s.add(time.Millisecond, []time.Duration{time.Duration(i) * time.Microsecond})
	}
	want := stats{PerSecond: 1000, P50: 50, P99: 99, Count: 100}
	if got := s.stats(); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	one := samples{[]time.Duration{time.Microsecond}, time.Second}
	if got, want := one.stats(), (stats{1, 1, 1, 1}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := new(samples).stats(); got != (stats{}) {
		t.Errorf("of nothing: %+v", got)
	}
}

func TestJudge(t *testing.T) {
	for _, tc := range []struct {
		cell  cell
		ratio float64
		goal  string
	}{
		{cell{Operation: "read", Clients: 1, Vault: stats{P50: 300}, Socket: stats{P50: 100}, Commit: stats{P50: 100}}, 1.5, "met"},
		{cell{Operation: "read", Clients: 1, Vault: stats{P50: 400}, Socket: stats{P50: 100}, Commit: stats{P50: 100}}, 2, "missed"},
		{cell{Operation: "read", Clients: 64, Vault: stats{PerSecond: 50}, Socket: stats{PerSecond: 100}}, 0.5, "met"},
		{cell{Operation: "read", Clients: 64, Vault: stats{PerSecond: 49}, Socket: stats{PerSecond: 100}}, 0.49, "missed"},
		{cell{Operation: "write", Clients: 64, Vault: stats{PerSecond: 10}, Socket: stats{PerSecond: 100}}, 0.1, ""},
	} {
		c := tc.cell
		c.judge()
		if c.Ratio != tc.ratio || !strings.HasSuffix(c.Goal, tc.goal) || (tc.goal == "") != (c.Goal == "") {
			t.Errorf("%s by %d: ratio %v, goal %q", c.Operation, c.Clients, c.Ratio, c.Goal)
		}
	}
}

// serve answers with handler on a Unix socket until the test ends.
func serve(t *testing.T, handler http.HandlerFunc) *endpoint {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(handler)
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)
	return newEndpoint(socket)
}

var anything = operation{name: "any", request: func(int) request { return request{"PUT", "/x", "key", []byte("{}")} }}

func TestLoadCountsWhatWasAnswered(t *testing.T) {
	var answered atomic.Int64
	end := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer key" || r.Method != "PUT" || r.URL.Path != "/x" {
			w.WriteHeader(http.StatusBadRequest)
		}
		answered.Add(1)
	})
	var s samples
	if err := end.load(t.Context(), anything, 4, 50*time.Millisecond, &s); err != nil {
		t.Fatal(err)
	}
	if got := s.stats(); got.Count == 0 || int64(got.Count) != answered.Load() || got.P50 <= 0 {
		t.Errorf("%d answered, told %+v", answered.Load(), got)
	}
}

func TestLoadEndsAtARefusal(t *testing.T) {
	end := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "too many", http.StatusTooManyRequests)
	})
	err := end.load(t.Context(), anything, 4, time.Minute, new(samples))
	if err == nil || !strings.Contains(err.Error(), "429") {
		t.Errorf("got %v", err)
	}
}

func TestCommitFloor(t *testing.T) {
	d, err := openDisk(filepath.Join(t.TempDir(), "db"))
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	var s samples
	if err := d.commits(context.Background(), 400, 20*time.Millisecond, &s); err != nil {
		t.Fatal(err)
	}
	if got := s.stats(); got.Count == 0 || uint64(got.Count) != d.seq {
		t.Errorf("%d commits, told %+v", d.seq, got)
	}
}

func TestReportPrints(t *testing.T) {
	r := report{System: "linux/amd64", Cells: []cell{{Operation: "read", Clients: 1, Vault: stats{P50: 300}, Ratio: 1.25}}, Verified: "ok"}
	var text, js strings.Builder
	if err := r.print(&text, false); err != nil {
		t.Fatal(err)
	}
	if err := r.print(&js, true); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text.String(), "1.25") || !strings.Contains(js.String(), `"ratio": 1.25`) {
		t.Errorf("text:\n%s\nJSON:\n%s", text.String(), js.String())
	}
}
