package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// endpoint is a server on a Unix socket, with kept connections to it.
type endpoint struct{ http http.Client }

func newEndpoint(socket string) *endpoint {
	return &endpoint{http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket)
		},
		MaxIdleConnsPerHost: clientCounts[len(clientCounts)-1],
		DisableCompression:  true,
	}}}
}

// do sends r and reads the whole answer, into answer unless that is nil.
// Anything but success is an error.
func (e *endpoint) do(ctx context.Context, r request, answer any) error {
	req, err := http.NewRequestWithContext(ctx, r.method, "http://assd"+r.path, bytes.NewReader(r.body))
	if err != nil {
		return err
	}
	if r.bearer != "" {
		req.Header.Set("Authorization", "Bearer "+r.bearer)
	}
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := e.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 512))
		return fmt.Errorf("%s %s: %s: %s", r.method, r.path, resp.Status, text)
	}
	if answer == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	}
	return json.NewDecoder(resp.Body).Decode(answer)
}

// load lets clients repeat op for d, each waiting for its answer before it asks
// again, and adds what they saw to s.
func (e *endpoint) load(ctx context.Context, op operation, clients int, d time.Duration, s *samples) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	seen := make([][]time.Duration, clients)
	var wg sync.WaitGroup
	begin := time.Now()
	for i := range clients {
		wg.Go(func() {
			for time.Since(begin) < d && ctx.Err() == nil {
				sent := time.Now()
				if err := e.do(ctx, op.request(i), nil); err != nil {
					cancel(err) // the first one tells why
					return
				}
				seen[i] = append(seen[i], time.Since(sent))
			}
		})
	}
	wg.Wait()
	s.add(time.Since(begin), seen...)
	return context.Cause(ctx)
}
