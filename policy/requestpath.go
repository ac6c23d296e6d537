package policy

import (
	"net/url"
	"strings"
)

// The sub-resources of a secret. They are no keys, so that a URL which ends in
// one has one meaning.
const (
	SubVersions = "versions"
	SubRotate   = "rotate"
	SubRollback = "rollback"
)

func isSub(s string) bool {
	return s == SubVersions || s == SubRotate || s == SubRollback
}

// RequestPath is what the URL of a request can name. Clients send a namespace
// raw ("production/openai/KEY") or as one encoded piece
// ("production%2Fopenai/KEY"); both give the same RequestPath but for Pieces.
type RequestPath struct {
	// Pieces is how many pieces were sent between slashes; one is a listing.
	Pieces int
	// Path is the secret named, zero when the URL names none.
	Path Path
	// Namespace is all of it read as a namespace, zero when that is none or
	// when Sub is set.
	Namespace Namespace
	// Sub is "versions", "rotate" or "rollback" when a third or later piece
	// at the end is that, and Path is what stands before it; otherwise "".
	Sub string

	pathErr error
}

// Secret returns Path, or an error that says why the URL names no secret.
func (r RequestPath) Secret() (Path, error) {
	if r.Path.IsZero() && r.pathErr == nil {
		return Path{}, invalid("path has no key: write NAMESPACE/KEY")
	}
	return r.Path, r.pathErr
}

// ParseRequestPath reads the escaped rest of a URL behind "/v1/secrets/", as
// [url.URL.EscapedPath] has it: split at slashes, each piece decoded once, the
// pieces of the namespace split again, every segment checked by [ParsePath]
// and [ParseNamespace]. Empty pieces, ".", "..", an encoded percent sign and a
// key piece with an encoded slash are errors. Errors wrap [ErrInvalid].
func ParseRequestPath(escaped string) (RequestPath, error) {
	if len(escaped) > MaxRequestPath {
		return RequestPath{}, invalid("path is longer than %d bytes", MaxRequestPath)
	}
	pieces, err := decodePieces(escaped)
	if err != nil {
		return RequestPath{}, err
	}
	r := RequestPath{Pieces: len(pieces)}
	if last := pieces[len(pieces)-1]; len(pieces) >= 3 && isSub(last) {
		r.Sub, pieces = last, pieces[:len(pieces)-1]
	}
	if len(pieces) > 1 && strings.Contains(pieces[len(pieces)-1], "/") {
		return RequestPath{}, invalid("key has an encoded slash")
	}
	return r.read(strings.Join(pieces, "/"))
}

// decodePieces splits at slashes and percent-decodes each piece once.
func decodePieces(escaped string) ([]string, error) {
	pieces := strings.Split(escaped, "/")
	for i, piece := range pieces {
		if piece == "" {
			return nil, invalid("path piece %d is empty", i+1)
		}
		if strings.Contains(piece, "%25") {
			return nil, invalid("path piece %d has an encoded percent sign", i+1)
		}
		decoded, err := url.PathUnescape(piece)
		if err != nil {
			return nil, invalid("path piece %d is not valid percent-encoding", i+1)
		}
		pieces[i] = decoded
	}
	return pieces, nil
}

// read fills in the meanings that the decoded text has; none is an error.
func (r RequestPath) read(text string) (RequestPath, error) {
	var nsErr error
	if r.Pieces > 1 {
		r.Path, r.pathErr = ParsePath(text)
	}
	if r.Sub == "" {
		r.Namespace, nsErr = ParseNamespace(text)
	}
	if !r.Path.IsZero() || !r.Namespace.IsZero() {
		return r, nil
	}
	if r.pathErr != nil {
		return RequestPath{}, r.pathErr
	}
	return RequestPath{}, nsErr
}
