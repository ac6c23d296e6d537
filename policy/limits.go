package policy

// Sizes of what comes from outside, in bytes unless the name says otherwise.
const (
	// MaxNamespace bounds a namespace, slashes included.
	MaxNamespace = 256
	// MaxKey bounds the last segment of a path.
	MaxKey = 128
	// MaxPath is the longest path that the other two allow.
	MaxPath = MaxNamespace + 1 + MaxKey
	// MaxRequestPath is MaxPath with every byte percent-encoded, and a
	// sub-resource behind it.
	MaxRequestPath = 3 * (MaxPath + 1 + len("rollback"))

	// MaxPattern bounds a pattern; every path is a pattern.
	MaxPattern = MaxPath
	// MaxStars is how many asterisks a pattern may hold.
	MaxStars = 16

	// MaxScopes is how many scopes one list may hold.
	MaxScopes = 256
	// MaxReachNamespaces is how many namespaces one list may hold.
	MaxReachNamespaces = 256

	// MaxName bounds the name of an agent or owner.
	MaxName = 64

	// MaxFile bounds the text of a policy file.
	MaxFile = 256 << 10
	// MaxRules is how many rules it may have.
	MaxRules = 1000
	// MaxReason bounds the reason of a rule.
	MaxReason = 256
	// MaxApprovals is the most owners that a tier may ask for.
	MaxApprovals = 10
)

// maxHint is the longest piece of input that a hint repeats. Keys and tokens
// are longer.
const maxHint = 32
