package client

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// maxPEM bounds each file that the TLS settings name, in bytes.
const maxPEM = 1 << 20

// What the files of the TLS settings are, as a [FileError] says it.
const (
	caFile     = "the CA file"
	clientCert = "the client certificate"
	clientKey  = "the client key"
)

// FileError says that a file of the TLS settings cannot be used.
type FileError struct {
	What string // what it was to be
	Path string
	Err  error
}

func (e *FileError) Error() string {
	return fmt.Sprintf("%s %q cannot be used: %v", e.What, e.Path, e.Err)
}
func (e *FileError) Unwrap() error { return e.Err }

// Hint says what to type next.
func (e *FileError) Hint() string {
	exposed := errors.Is(e.Err, errExposed)
	switch {
	case exposed && e.What == clientKey:
		return "others may have read it: if this is not your machine alone, have a new pair made"
	case exposed:
		return "look first whether it is still what you put there; ass vault cert on the daemon's machine prints its certificate"
	case e.What == caFile:
		return "ass vault cert on the daemon's machine prints its certificate; see also ass --help"
	}
	return "the files are your own certificate and its key, in PEM: --client-cert FILE --client-key FILE"
}

// errExposed is wrapped by the errors about files that others could have
// changed, or read where they must not.
var errExposed = errors.New("exposed")

// exposed is such an error; it reads as reason alone.
type exposed struct{ reason string }

func (e exposed) Error() string { return e.reason }
func (exposed) Unwrap() error   { return errExposed }

// readPEM reads a file of the TLS settings. One that others than root and we
// could have written vouches for nothing.
func readPEM(what, path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, &FileError{what, path, bare(err)}
	}
	defer f.Close()
	if err := checkOurs(f, path, what == clientKey); err != nil {
		return nil, &FileError{what, path, err}
	}
	b, err := io.ReadAll(io.LimitReader(f, maxPEM+1))
	if err != nil {
		return nil, &FileError{what, path, bare(err)}
	}
	if len(b) > maxPEM {
		return nil, &FileError{what, path, fmt.Errorf("it is longer than %d bytes", maxPEM)}
	}
	return b, nil
}

// bare is err without the path, which the message has said already.
func bare(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}
