package api

// Compaction is the answer of POST /v1/vault/compact: how large the data file was and
// is, in bytes.
type Compaction struct {
	Before uint64 `json:"bytes_before"`
	After  uint64 `json:"bytes_after"`
}
