package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// Action names what was done, as in "secret.read"; a refused one ends in
// ".denied". Actions are never renamed: old events keep them for ever.
type Action string

// The actions written so far.
const (
	VaultInit    Action = "vault.init"
	VaultRestore Action = "vault.restore"
	OwnerCreate  Action = "owner.create"
	AgentCreate  Action = "agent.create"
	AgentRevoke  Action = "agent.revoke"
	TokenCreate  Action = "token.create"
	TokenRevoke  Action = "token.revoke"
	SecretRead   Action = "secret.read"
	SecretWrite  Action = "secret.write"
	SecretDelete Action = "secret.delete"
	AuthFailed   Action = "auth.failed"
	AuthLogin    Action = "auth.login"
	SecretRotate Action = "secret.rotate"
	SecretList   Action = "secret.list" // names and tiers, no values
	SecretImport Action = "secret.import"
	SecretExport Action = "secret.export"

	SecretRotationPending Action = "secret.rotation_pending"
	SecretRotationStart   Action = "secret.rotation_start"  // a command is to make the next value
	SecretRotationFailed  Action = "secret.rotation_failed" // there is no new version

	SecretHistory  Action = "secret.history" // names and times of the versions, no values
	SecretRollback Action = "secret.rollback"
	SecretExpiring Action = "secret.expiring" // some time before
	SecretExpire   Action = "secret.expire"

	ApprovalRequest Action = "approval.request"
	ApprovalApprove Action = "approval.approve"
	ApprovalDeny    Action = "approval.deny"
	ApprovalExpire  Action = "approval.expire"
	ApprovalList    Action = "approval.list" // only when refused

	ApprovalRevoke Action = "approval.revoke" // a delay or a grant ended by an owner

	OwnerRevoke   Action = "owner.revoke"
	OwnerRecover  Action = "owner.recover" // a new key for an owner, made offline
	StepUpFailed  Action = "step_up.failed"
	PassphraseSet Action = "passphrase.set"
	SecretReseal  Action = "secret.reseal" // values sealed anew to the approval key
	VaultLockdown Action = "vault.lockdown"
	VaultLift     Action = "vault.lift"
	VaultCompact  Action = "vault.compact" // the data file, without what is gone from the vault
	VaultBackup   Action = "vault.backup"
	BackupFailed  Action = "vault.backup_failed" // of those that the daemon takes by itself
	VaultSeal     Action = "vault.seal"          // the keys leave memory
	VaultUnseal   Action = "vault.unseal"        // a sealed vault was opened; Count and Reason tell of failed tries before

	VaultSlotAdd    Action = "vault.slot_add" // another secret opens the vault
	VaultSlotRemove Action = "vault.slot_remove"
	VaultSlotList   Action = "vault.slot_list" // only when refused

	AuditRotateKey Action = "audit.rotate_key" // another key signs the heads from here on
	KEKRotate      Action = "kek.rotate"       // another keyring seals values, and what comes of the old one
	RootRotate     Action = "root.rotate"      // records that another root key authenticates, with unchanged content

	PolicyReload Action = "policy.reload"
	ConfigReload Action = "config.reload"

	WebhookConfigure Action = "webhook.configure" // who is told of what
	WebhookDelivered Action = "webhook.delivered"
	WebhookFailed    Action = "webhook.failed" // given up, or never queued
	WebhookTest      Action = "webhook.test"
	WebhookList      Action = "webhook.list" // only when refused
	VaultDoctor      Action = "vault.doctor" // only when refused

	CheckpointFailed Action = "audit.checkpoint_failed" // none arrives where they are sent

	AgentList   Action = "agent.list" // these only when refused
	OwnerList   Action = "owner.list"
	VaultStatus Action = "vault.status"
	TokenList   Action = "token.list"
	AuditRead   Action = "audit.read"
	MeRead      Action = "me.read"
	PolicyRead  Action = "policy.read"
	PolicyCheck Action = "policy.check"
)

// Denied is the action of a refusal of a.
func (a Action) Denied() Action { return a + ".denied" }

// Outcome says how it ended.
type Outcome string

// The outcomes.
const (
	OK     Outcome = "ok"
	Denied Outcome = "denied"
	Failed Outcome = "failed" // it was allowed, and could not be done
)

// Actor is who acted. ID is random and never used again; Name is what it was
// called at the time.
type Actor struct {
	ID   string `json:"id"`
	Kind string `json:"kind"` // "owner", "agent", "daemon", or "unknown" before a key was recognised
	Name string `json:"name"`
}

// Source is where a request came from: the peer of the Unix socket (UID is a
// fact, PID and Exe are hints), or an address.
type Source struct {
	UID *int   `json:"uid,omitempty"`
	PID int    `json:"pid,omitempty"`
	IP  string `json:"ip,omitempty"`
	Exe string `json:"exe,omitempty"` // path of the program when it connected, at most 256 bytes; "" where the system does not tell
}

// String is "local uid 1000 pid 4242", with the program behind it where it is known, an
// address, or "" when nothing is known.
func (s Source) String() string {
	if s.Exe != "" {
		return s.Place() + " exe " + s.Exe
	}
	return s.Place()
}

// Place is String without the program, which may have any name.
func (s Source) Place() string {
	switch {
	case s.UID != nil && s.PID != 0:
		return fmt.Sprintf("local uid %d pid %d", *s.UID, s.PID)
	case s.UID != nil:
		return fmt.Sprintf("local uid %d", *s.UID)
	default:
		return s.IP
	}
}

// Subject is the object acted on when it is not a secret.
type Subject struct {
	ID   string `json:"id,omitempty"`
	Name string `json:"name,omitempty"`
}

// Birth is what event 1 says of the vault: who signs its heads. The event of a new
// signing key says it again.
type Birth struct {
	Tenant    string `json:"tenant"`
	VerifyKey string `json:"verify_key"` // "ed25519:" and base64
	Epoch     uint64 `json:"epoch"`
}

// Event is one line of the trail. It never holds a value, a key or a token.
// The JSON of it is stored as it stands and hashed as it stands; fields are
// added at the end and never renumbered or renamed.
type Event struct {
	ID        string            `json:"id"`
	Time      Time              `json:"time"`
	Actor     Actor             `json:"actor"`
	Action    Action            `json:"action"`
	Outcome   Outcome           `json:"outcome"`
	Namespace string            `json:"namespace,omitempty"`
	Key       string            `json:"key,omitempty"`
	Version   uint64            `json:"version,omitempty"` // the version really served or written
	Subject   *Subject          `json:"subject,omitempty"`
	Reason    string            `json:"reason,omitempty"`
	Source    *Source           `json:"source,omitempty"`
	RequestID string            `json:"request_id,omitempty"`
	ClientRef string            `json:"client_request_id,omitempty"` // what the client calls it, cut and checked
	Approval  string            `json:"approval_id,omitempty"`
	TokenID   string            `json:"token_id,omitempty"`
	Count     int               `json:"count,omitempty"` // equal refusals this event stands for; tries that failed while the vault was sealed
	Clock     *Time             `json:"clock,omitempty"` // the wall clock, where it had gone back behind the last event
	Vault     *Birth            `json:"vault,omitempty"` // event 1, and one that names a new signing key
	Records   map[string]string `json:"records,omitempty"`
	Anchor    string            `json:"anchor,omitempty"` // the state of the records that decide about everything
}

// Time is RFC 3339 in UTC with milliseconds, always of one length.
type Time struct{ time.Time }

const timeLayout = "2006-01-02T15:04:05.000Z"

// MarshalJSON writes t in its one layout.
func (t Time) MarshalJSON() ([]byte, error) {
	return t.UTC().AppendFormat(make([]byte, 0, len(timeLayout)+2), `"`+timeLayout+`"`), nil
}

// UnmarshalJSON reads the one layout.
func (t *Time) UnmarshalJSON(b []byte) error {
	v, err := time.Parse(`"`+timeLayout+`"`, string(b))
	if err != nil {
		return fmt.Errorf("reading time: %w", err)
	}
	t.Time = v
	return nil
}

// encode is the event as stored: one JSON object, no newline, no HTML escapes.
func (e *Event) encode() ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(e); err != nil {
		return nil, fmt.Errorf("encoding event: %w", err)
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

// DecodeEvent reads stored event bytes and checks that what every event must
// say is there.
func DecodeEvent(b []byte) (Event, error) {
	var e Event
	if err := json.Unmarshal(b, &e); err != nil {
		return Event{}, fmt.Errorf("decoding event: %w", err)
	}
	if e.ID == "" || e.Time.IsZero() || e.Action == "" || e.Outcome == "" || e.Actor.Kind == "" {
		return Event{}, fmt.Errorf("decoding event: id, time, actor, action or outcome is missing")
	}
	return e, nil
}
