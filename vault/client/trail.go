package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/agent-secret-store/assd/audit/chain"
	"github.com/agent-secret-store/assd/vault/api"
)

// ExportQuery says what of the trail is exported, and how.
type ExportQuery struct {
	AuditQuery        // its filters
	Format     string // api.AuditJSONL or api.AuditCSV
	Heads      bool   // the signed heads too: of jsonl without filters
}

// CutError says that an export ended before its end: what came is not the whole.
type CutError struct{ Err error }

func (e *CutError) Error() string { return "the export is incomplete: " + e.Err.Error() }
func (e *CutError) Unwrap() error { return e.Err }

// ExportAudit opens an export of the trail, oldest first, for as long as it takes. The
// end of what is read from it is io.EOF only when it is whole; else a *CutError. Owners
// only.
func (c *Client) ExportAudit(ctx context.Context, q ExportQuery) (io.ReadCloser, error) {
	v := q.values()
	v.Set("format", or(q.Format, api.AuditJSONL))
	if q.Heads {
		v.Set("heads", "true")
	}
	body, err := c.open(ctx, call{method: http.MethodGet, path: "/v1/audit/export", query: v, bearer: c.key}, nil)
	if err != nil {
		return nil, err
	}
	if q.Format == api.AuditCSV {
		return &whole{body: body, c: c}, nil
	}
	return &lines{whole: whole{body: body, c: c}, in: bufio.NewReaderSize(body, 64<<10)}, nil
}

// open sends a call and hands out the body of its answer, which takes as long as it
// takes.
func (c *Client) open(ctx context.Context, cl call, header http.Header) (io.ReadCloser, error) {
	res, err := c.answer(ctx, cl, header)
	if err != nil {
		return nil, err
	}
	return res.Body, nil
}

// answer is open for those who look at the headers too.
func (c *Client) answer(ctx context.Context, cl call, header http.Header) (*http.Response, error) {
	req, err := c.request(ctx, cl)
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		req.Header[name] = values
	}
	endless := *c.http
	endless.Timeout = 0
	res, err := endless.Do(req)
	if err != nil {
		return nil, c.transportError(cl.method, err)
	}
	if res.StatusCode != http.StatusOK {
		defer res.Body.Close()
		return nil, c.answerError(res)
	}
	return res, nil
}

// whole is a body whose end is told from its breaking off.
type whole struct {
	body io.ReadCloser
	c    *Client
}

func (w *whole) Read(p []byte) (int, error) {
	n, err := w.body.Read(p)
	if err != nil && err != io.EOF {
		err = w.cut(err)
	}
	return n, err
}

func (w *whole) cut(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return &CutError{w.c.transportError(http.MethodGet, err)}
}

func (w *whole) Close() error { return w.body.Close() }

// lines is a body of jsonl, whose last line may be an error; that line is no part of
// what is read.
type lines struct {
	whole
	in   *bufio.Reader
	line []byte // what is left of it
}

// errorMark is what a line with an error begins with.
var errorMark = []byte(`{"error":`)

func (l *lines) Read(p []byte) (int, error) {
	if len(l.line) == 0 {
		if err := l.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, l.line)
	l.line = l.line[n:]
	return n, nil
}

func (l *lines) next() error {
	line, err := chain.ReadLine(l.in)
	switch {
	case err == io.EOF && len(line) == 0:
		return io.EOF
	case err == io.EOF:
		return &CutError{errors.New("its last line has no end")}
	case errors.Is(err, chain.ErrLongLine):
		return &CutError{err}
	case err != nil:
		return l.cut(err)
	case bytes.HasPrefix(line, errorMark):
		var body api.ErrorBody
		if json.Unmarshal(line, &body) != nil || body.Error.Code == "" {
			return &CutError{errors.New("it ends in an error that cannot be read")}
		}
		return &CutError{&body.Error}
	}
	l.line = line
	return nil
}

// AuditStats counts over a time; of q the filters count. Owners only.
func (c *Client) AuditStats(ctx context.Context, q AuditQuery) (*api.AuditStats, error) {
	var out api.AuditStats
	return &out, c.asOwn(ctx, call{method: http.MethodGet, path: "/v1/audit/stats", query: q.values()}, &out)
}
