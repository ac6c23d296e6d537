package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/agent-secret-store/assd/audit/chain"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/client"
)

// followed is a client of a daemon that answers with what send writes.
func followed(t *testing.T, silence time.Duration, send func(w io.Writer, flush func())) *client.Client {
	t.Helper()
	d := startDaemon(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		flush := w.(http.Flusher).Flush
		flush()
		send(w, flush)
	})
	c, err := client.New(client.Config{URL: d.url, Key: "ask_live_x"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	client.SetSilence(c, silence)
	return c
}

// TestFollowSlowly: who takes long to print is not told that the daemon has gone; a daemon
// that says nothing is.
func TestFollowSlowly(t *testing.T) {
	t.Parallel()
	problem := ""
	for silence := 300 * time.Millisecond; silence < 5*time.Second; silence *= 4 { // a slow machine needs long to send
		if problem = followsSlowly(t, silence); problem == "" {
			break
		}
	}
	if problem != "" {
		t.Error(problem)
	}
	quiet := followed(t, 100*time.Millisecond, func(w io.Writer, flush func()) { time.Sleep(time.Second) })
	_, err := quiet.FollowAudit(t.Context(), client.AuditQuery{}, 0, client.Follower{})
	if gone, ok := errors.AsType[*client.UnreachableError](err); !ok || !strings.Contains(gone.Error(), "said nothing for too long") {
		t.Error(err)
	}
}

// followsSlowly takes longer to print each of three events than a daemon may be silent, and
// returns what is wrong then.
func followsSlowly(t *testing.T, silence time.Duration) (problem string) {
	c := followed(t, silence, func(w io.Writer, flush func()) {
		for n := range 3 {
			fmt.Fprintf(w, "id: %d\nevent: audit\ndata: {}\n\n", n+1)
			flush()
		}
		time.Sleep(silence * 7 / 3)
	})
	var got []int
	opened := 0
	last, err := c.FollowAudit(t.Context(), client.AuditQuery{}, 0, client.Follower{
		Open: func() { opened++ },
		Event: func(api.AuditEvent) error {
			time.Sleep(silence * 4 / 3)
			got = append(got, len(got))
			return nil
		},
	})
	if last != 3 || err != nil || !slices.Equal(got, []int{0, 1, 2}) || opened != 1 {
		problem = fmt.Sprintf("%d, %v, %v, opened %d times", last, err, got, opened)
	}
	return problem
}

// TestFollowNonsense: what is no stream of events is a clear error, soon, and no reason to
// try again.
func TestFollowNonsense(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 1<<20)
	for name, tc := range map[string]struct {
		piece string
		times int
		want  string
	}{
		"a line without an end":     {long, 2 * chain.MaxLine >> 20, "no stream of events: a line is longer than 67108864 bytes"},
		"remarks without an end":    {": " + long + "\n\n", 4 * chain.MaxLine >> 20, "sent 134217728 bytes without an event"},
		"an event without an end":   {"data: " + long + "\n", 4 * chain.MaxLine >> 20, "sent 134217728 bytes without an event"},
		"no number":                 {"id: -1\n\n", 1, "without a number"},
		"no event":                  {"event: audit\ndata: hello\n\n", 1, "cannot be read"},
		"an error that is none":     {"event: error\ndata: {}\n\n", 1, "cannot be read"},
		"an error":                  {"event: error\ndata: {\"code\":\"SEALED\",\"message\":\"m\"}\n\n", 1, "m"},
		"another kind, and nothing": {"event: other\ndata: hello\n\n", 1, ""},
		"half an event":             {"id: 9\nevent: audit\ndata: {}\n", 1, ""},
	} {
		if tc.times > 1 && testing.Short() {
			continue
		}
		c := followed(t, 2*time.Minute, func(w io.Writer, _ func()) {
			for range tc.times {
				if _, err := io.WriteString(w, tc.piece); err != nil {
					return
				}
			}
		})
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		last, err := c.FollowAudit(ctx, client.AuditQuery{}, 7, client.Follower{Event: func(api.AuditEvent) error { return nil }})
		cancel()
		if last != 7 {
			t.Errorf("%s: goes on from %d", name, last)
		}
		if _, gone := errors.AsType[*client.UnreachableError](err); gone || (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
}
