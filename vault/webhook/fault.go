package webhook

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"unicode"
)

// fault says in words of ours why no answer came. The words of net/http repeat the
// URL, and of an answer that is none.
func fault(err error) error {
	var dns *net.DNSError
	var op *net.OpError
	var cert *tls.CertificateVerificationError
	var alert tls.AlertError
	var record tls.RecordHeaderError
	var timeout net.Error
	switch {
	case errors.Is(err, errNotLocal):
		return errNotLocal
	case errors.As(err, &cert):
		return errors.New("its certificate does not verify: " + line(cert.Err.Error()))
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return errors.New("it did not answer within 15 seconds")
	case errors.As(err, &dns) && dns.IsNotFound:
		return errors.New("its name is not known")
	case errors.As(err, &dns):
		return errors.New("its name could not be looked up")
	case errors.Is(err, syscall.ECONNREFUSED):
		return errors.New("it refuses connections")
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return errors.New("what answers there does not speak TLS")
	case errors.As(err, &alert):
		return errors.New("TLS: it sent " + line(alert.Error()))
	case errors.As(err, &op):
		return errors.New("the connection failed: " + line(op.Err.Error()))
	}
	return errors.New("the connection ended, or its answer was no HTTP")
}

// line is foreign text as part of one line: cut, and without what cannot be printed.
func line(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
	if r := []rune(s); len(r) > maxText {
		s = string(r[:maxText]) + "…"
	}
	return s
}
