package away

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/agent-secret-store/assd/vault/webhook"
)

// HookType is the type of the messages.
const HookType = "audit.checkpoint"

// Hook is a receiver of Standard Webhooks.
type Hook struct {
	cfg    webhook.Config
	sender *webhook.Sender
	now    func() time.Time
}

// NewHook is the receiver that cfg names; now is the clock of its messages.
func NewHook(cfg webhook.Config, now func() time.Time) *Hook {
	return &Hook{cfg, webhook.New(cfg), now}
}

// String is the origin of the URL.
func (h *Hook) String() string { return h.cfg.URL.String() }

// Same reports whether other is the same receiver, with the same secrets and issuers.
func (h *Hook) Same(other Place) bool {
	o, ok := other.(*Hook)
	return ok && h.cfg.Same(o.cfg)
}

// Close drops the idle connection.
func (h *Hook) Close() { h.sender.Close() }

// hookMessage is the body, shaped as that of an event.
type hookMessage struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Tenant    string    `json:"tenant"`
	Data      hookData  `json:"data"`
}

type hookData struct {
	Tenant     string `json:"tenant"`
	Size       uint64 `json:"size"`
	Hash       string `json:"hash"`
	Epoch      uint64 `json:"epoch"`
	Checkpoint string `json:"checkpoint"` // the signed note
}

// Send posts c. The id is the same each time that this head is sent to this receiver.
func (h *Hook) Send(ctx context.Context, c Checkpoint) error {
	at := h.now().UTC().Truncate(time.Millisecond)
	body, err := json.Marshal(hookMessage{HookType, at, c.Tenant, hookData{c.Tenant, c.Size, c.Hash, c.Epoch, string(c.Note)}})
	if err != nil {
		return fmt.Errorf("encoding checkpoint: %w", err)
	}
	return h.sender.Send(ctx, webhook.Message{ID: h.id(c), At: at, Body: body})
}

func (h *Hook) id(c Checkpoint) string {
	d := sha256.Sum256(fmt.Appendf(nil, "ass-away-v1\n%s\n%d\n%s\n%s", c.Tenant, c.Epoch, c.Hash, h))
	return "msg_" + hex.EncodeToString(d[:16])
}
