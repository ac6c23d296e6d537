package api

// Checkpoint is the answer of GET /v1/audit/checkpoint: the newest signed head of the
// trail.
type Checkpoint struct {
	Checkpoint string     `json:"checkpoint"` // the signed note, as it is to be kept elsewhere
	Tenant     string     `json:"tenant"`
	Size       uint64     `json:"size"`  // events
	Hash       string     `json:"hash"`  // of the newest one, 64 hex digits
	Epoch      uint64     `json:"epoch"` // of the key that signed it
	VerifyKey  string     `json:"verify_key"`
	FirstKey   string     `json:"first_key"`         // the one that event 1 names
	HashAt     string     `json:"hash_at,omitempty"` // of the event asked for
	Rotations  []Rotation `json:"rotations"`         // of the signing key, the oldest first
}

// Rotation is an event that names another signing key, and the proof that it follows
// the one before it.
type Rotation struct {
	Seq        uint64 `json:"seq"`
	Prev       string `json:"prev"`       // hash of the event before it, 64 hex digits
	Event      string `json:"event"`      // as stored
	Signatures string `json:"signatures"` // of the old key and the new one: base64 of epoch and signature, twice
}

// TrailCheck is the answer of POST /v1/audit/verify: what the daemon found.
type TrailCheck struct {
	OK       bool   `json:"ok"`
	Events   uint64 `json:"events"`
	Heads    uint64 `json:"heads"`
	Records  int    `json:"records"`
	FirstBad uint64 `json:"first_bad,omitempty"` // sequence number
	Problem  string `json:"problem,omitempty"`
}

// KeyRotation is the body of POST /v1/audit/rotate-key.
type KeyRotation struct {
	Passphrase *string `json:"passphrase,omitempty"`
}

// KeyRotated is its answer: the key that signs from now on.
type KeyRotated struct {
	VerifyKey string `json:"verify_key"`
	Epoch     uint64 `json:"epoch"`
	Seq       uint64 `json:"seq"` // of the event
}
