package api

import "time"

// SecretRotate is the body of POST /v1/secrets/{ns}/{KEY}/rotate: the next value,
// under either name, or neither to ask for one.
type SecretRotate struct {
	Value    *string `json:"value,omitempty"`
	NewValue *string `json:"new_value,omitempty"`
}

// SecretRotation answers it: the secret as it is now, and what has come of it.
type SecretRotation struct {
	SecretInfo
	Status string `json:"status"`
}

// The statuses of a rotation.
const (
	RotationStored  = "stored"  // there is a new version
	RotationPending = "pending" // nothing makes one; it waits for the next write
	RotationRunning = "running" // a rotator's command has not ended yet (202)
)

// FailedRotation is a secret whose last rotation by its rotator has failed.
type FailedRotation struct {
	Namespace string    `json:"namespace"`
	Key       string    `json:"key"`
	At        time.Time `json:"at"`
	Problem   string    `json:"problem"`
}
