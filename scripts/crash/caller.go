package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
)

// caller speaks to the daemon, on a connection of its own.
type caller struct{ http http.Client }

func (v *vault) caller() *caller {
	return &caller{http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", v.socket)
		},
	}}}
}

// errNoAnswer says that nobody knows whether the act has happened.
var errNoAnswer = errors.New("no answer")

// refusal is an answer that is none of success.
type refusal struct {
	status int
	text   string
}

func (r *refusal) Error() string { return fmt.Sprintf("%d: %s", r.status, r.text) }

// call sends body as JSON, reads the answer into into, and gives the id of the request.
// It fails with errNoAnswer where the daemon went before the whole answer was there.
func (c *caller) call(ctx context.Context, method, path, key string, body, into any) (id string, err error) {
	var sent io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return "", err
		}
		sent = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://assd"+path, sent)
	if err != nil {
		return "", err
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	// Else the library sends it again by itself on a connection that was cut.
	req.GetBody = nil
	res, err := c.http.Do(req)
	if err != nil {
		return "", fmt.Errorf("%w: %w", errNoAnswer, err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return "", fmt.Errorf("%w: %w", errNoAnswer, err)
	}
	if res.StatusCode == http.StatusServiceUnavailable { // sealed, perhaps amid the act
		return "", fmt.Errorf("%w: %s", errNoAnswer, text)
	}
	if res.StatusCode/100 != 2 {
		return "", &refusal{res.StatusCode, string(text)}
	}
	if into != nil {
		err = json.Unmarshal(text, into)
	}
	return res.Header.Get("X-Request-Id"), err
}

// get asks for an answer that is streamed.
func (c *caller) get(ctx context.Context, path, key string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, "GET", "http://assd"+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+key)
	res, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		defer res.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(res.Body, 1<<10))
		return nil, &refusal{res.StatusCode, string(text)}
	}
	return res, nil
}
