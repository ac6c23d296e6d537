package client

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/agent-secret-store/assd/vault/api"
)

// Codes of the errors that arise on this side of the wire, beside those of
// package api.
const (
	CodeUnreachable api.Code = "UNREACHABLE"
	CodeRefused     api.Code = "REFUSED"
)

// UnreachableError says that no daemon could be talked to, or that it was gone
// before its answer came.
type UnreachableError struct {
	URL string
	Err error
	// Unsure says that the request was sent and that it may have been done.
	Unsure bool
}

func (e *UnreachableError) Error() string {
	if e.Unsure {
		return fmt.Sprintf("the daemon at %s was gone before it answered, and may have done what was asked: %s", e.URL, cause(e.Err))
	}
	return fmt.Sprintf("no daemon answers at %s: %s", e.URL, cause(e.Err))
}

// cause is err without what the message has said already.
func cause(err error) string {
	var timeout net.Error
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		return "no answer in time"
	case errors.Is(err, os.ErrNotExist):
		return "there is no such socket"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return "the connection was closed"
	}
	if plain := (tls.RecordHeaderError{}); errors.As(err, &plain) {
		return "what answers there does not speak TLS"
	}
	if no := syscall.Errno(0); errors.As(err, &no) {
		return no.Error()
	}
	return err.Error()
}

func (e *UnreachableError) Unwrap() error { return e.Err }

// Code is UNREACHABLE.
func (e *UnreachableError) Code() api.Code { return CodeUnreachable }

// ExitCode is the exit code of ass for e.
func (e *UnreachableError) ExitCode() int { return api.ExitUnreachable }

// Hint says what to type next.
func (e *UnreachableError) Hint() string {
	if e.Unsure {
		return "look before you repeat it: ass status"
	}
	if strings.HasPrefix(e.URL, "https:") {
		return "look whether assd runs there with --listen, and whether host and port are right"
	}
	return "start it with: assd"
}

// RefusedError says that the far end is not who it has to be. Nothing was sent.
type RefusedError struct {
	URL    string
	Reason string
	Fix    string // what to type next; "" means what helps with a socket
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("refused to talk to %s: %s; nothing was sent", e.URL, e.Reason)
}

// Code is REFUSED.
func (e *RefusedError) Code() api.Code { return CodeRefused }

// ExitCode is the exit code of ass for e.
func (e *RefusedError) ExitCode() int { return api.ExitDenied }

// Hint says what to type next.
func (e *RefusedError) Hint() string {
	if e.Fix != "" {
		return e.Fix
	}
	return "the daemon's user is your own, or the daemon_uid in " + SystemFile
}

// CertificateRequiredError says that the daemon takes only clients that show a
// certificate, and that it did not take ours.
type CertificateRequiredError struct {
	URL   string
	Given string // file of the certificate that it did not take, "" when we have none
	Err   error
}

func (e *CertificateRequiredError) Error() string {
	if e.Given != "" {
		return fmt.Sprintf("the daemon at %s does not accept the client certificate %q: %s", e.URL, e.Given, e.Err)
	}
	return fmt.Sprintf("the daemon at %s takes only clients with a certificate that it knows: %s", e.URL, e.Err)
}

func (e *CertificateRequiredError) Unwrap() error { return e.Err }

// Code is REFUSED.
func (e *CertificateRequiredError) Code() api.Code { return CodeRefused }

// ExitCode is the exit code of ass for e.
func (e *CertificateRequiredError) ExitCode() int { return api.ExitDenied }

// Hint says what to type next.
func (e *CertificateRequiredError) Hint() string {
	if e.Given != "" {
		return "give one of an issuer that the daemon takes (assd --client-ca), with its key: --client-cert FILE --client-key FILE"
	}
	return "give yours with --client-cert FILE --client-key FILE; the daemon's operator knows who issues them (--client-ca)"
}

// clientCertAlert finds the TLS alert by which a daemon refuses our certificate,
// or that we have none. With TLS 1.3 it comes after the handshake, where a
// request has been sent. crypto/tls exports no type for it.
func clientCertAlert(err error) error {
	alert, ok := errors.AsType[*net.OpError](err)
	if !ok || alert.Op != "remote error" || !strings.Contains(alert.Err.Error(), "certificate") {
		return nil
	}
	return alert.Err
}

// transportError tells an error of the connection from our own refusals, which
// pass through net/http wrapped.
func (c *Client) transportError(method string, err error) error {
	if refused, ok := errors.AsType[*RefusedError](err); ok {
		return refused
	}
	if gone, ok := errors.AsType[*UnreachableError](err); ok {
		return gone
	}
	if alert := clientCertAlert(err); alert != nil {
		return &CertificateRequiredError{URL: c.URL(), Given: c.ownCert, Err: alert}
	}
	return &UnreachableError{URL: c.URL(), Err: err, Unsure: method != http.MethodGet}
}

// StrangeAnswerError says that what answers is not assd, or not on this port.
type StrangeAnswerError struct {
	URL    string
	Status int // of HTTP
}

func (e *StrangeAnswerError) Error() string {
	return fmt.Sprintf("the answer is not one of assd's: HTTP status %d", e.Status)
}

// Hint says what to type next. A server on TLS answers plain HTTP with status 400.
func (e *StrangeAnswerError) Hint() string {
	if place, ok := strings.CutPrefix(e.URL, "http://"); ok && e.Status == http.StatusBadRequest {
		return "the daemon may serve TLS there: use --api-url https://" + place
	}
	return "look whether it is assd that answers at " + e.URL
}

// answerError reads the body of an answer that is no success.
func (c *Client) answerError(res *http.Response) error {
	if res.StatusCode >= 300 && res.StatusCode < 400 {
		return errors.New("the daemon answered with a redirect, which is never followed")
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, maxErrorBody))
	if err != nil {
		return fmt.Errorf("reading the daemon's refusal: %w", err)
	}
	var body api.ErrorBody
	if json.Unmarshal(b, &body) != nil || body.Error.Code == "" {
		return &StrangeAnswerError{URL: c.URL(), Status: res.StatusCode}
	}
	refusal := body.Error
	refusal.ApprovalID = body.ApprovalID
	if id, ok := refusal.Details["approval_id"].(string); ok && refusal.ApprovalID == "" {
		refusal.ApprovalID = id
	}
	refusal.RetryAfter, _ = strconv.Atoi(res.Header.Get("Retry-After"))
	return &refusal
}
