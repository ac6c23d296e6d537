package api

// MaxValue is the longest value that the vault takes, in bytes of UTF-8.
const MaxValue = 1 << 20

// MaxImport is the longest dotenv text that an import takes, in bytes.
const MaxImport = 16 << 20

// MaxImported is the most values that an import takes; an agent's takes fewer.
const MaxImported = 50_000

// MaxExport is the most that leaves by one export, values and metadata together, in
// bytes.
const MaxExport = 16 << 20

// MaxDescription is the longest description of an agent, MaxReason the longest
// reason of an owner, in bytes.
const (
	MaxDescription = 1024
	MaxReason      = 1024
)

// MaxClaim is how much is kept of what an agent says when it asks, in characters;
// the rest is cut.
const MaxClaim = 300

// MaxScopes is how long the scopes of a token may be together, in bytes, so that it
// fits into a header.
const MaxScopes = 4 << 10

// MaxUses is the most uses that a token may be limited to, MaxSources the most
// entries of its ip_allowlist.
const (
	MaxUses    = 1_000_000_000
	MaxSources = 64
)
