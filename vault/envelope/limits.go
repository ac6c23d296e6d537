package envelope

// Sizes in bytes. Seal refuses what is over them, and what is over them in a
// file does not open.
const (
	MaxValue    = 1 << 20  // of a value
	MaxMetadata = 16 << 10 // of the metadata beside it

	dekSize    = 32
	gcmNonce   = 12
	gcmTag     = 16
	lenValue   = 4       // the length before the value in a payload
	maxWrapped = 512     // of a wrapped DEK; AES-256-GCM needs 65 or, made anew, 95; HPKE 85
	maxKeyset  = 1 << 10 // of a serialised approval key; either half needs under 256

	minCiphertext = gcmNonce + lenValue + gcmTag
	maxCiphertext = minCiphertext + MaxValue + MaxMetadata
)
