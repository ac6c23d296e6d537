package vault

import (
	"strings"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/vault/api"
)

// DescribeEvent is a stored event under all the names by which clients look.
func DescribeEvent(e audit.Stored) api.AuditEvent {
	out := api.AuditEvent{
		Seq: e.Seq, ID: e.ID, Timestamp: e.Time.Time, Action: string(e.Action), Outcome: string(e.Outcome),
		AgentID: e.Actor.Name, ActorID: e.Actor.ID, ActorType: e.Actor.Kind,
		Namespace: e.Namespace, Resource: e.Key, Version: e.Version, Reason: e.Reason,
		RequestID: e.RequestID, TokenID: e.TokenID, ApprovalID: e.Approval, Count: e.Count,
		EventType: string(e.Action), CreatedAt: e.Time.Time, Metadata: map[string]any{},
	}
	out.ResType, _, _ = strings.Cut(string(e.Action), ".")
	if e.Source != nil {
		out.Source = e.Source.String()
		if e.Source.IP != "" {
			out.IPAddress = &e.Source.IP
		}
	}
	switch {
	case e.Key != "":
		id := e.Namespace + "/" + e.Key
		out.ResID = &id
	case e.Subject != nil:
		out.Resource = e.Subject.Name
		if out.Resource == "" {
			out.Resource = e.Subject.ID
		}
		out.ResID = &e.Subject.ID
	}
	return out
}
