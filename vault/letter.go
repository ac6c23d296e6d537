package vault

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/api"
)

// letter is a message to be sent, made from its event.
type letter struct {
	seq  uint64
	id   string
	body []byte
	end  time.Time // when it is given up
}

// plan is what a courier has to do.
type plan struct {
	letters []letter
	over    []uint64  // too old
	next    time.Time // when there is more; zero: when it is woken
}

// plan looks what waits: the oldest messages that are due, or, as long as the receiver
// takes none, one of those that were tried least.
func (c *courier) plan(now time.Time) (p plan, err error) {
	err = c.v.db.View(func(s *store.Snapshot) error {
		seqs, err := c.due(s, now, &p)
		for _, seq := range seqs {
			var l letter
			if l, err = c.v.letter(s, seq, c.hook.Name); err != nil {
				return err
			}
			p.letters = append(p.letters, l)
		}
		return err
	})
	return p, err
}

// due is the events to be told of now.
func (c *courier) due(s *store.Snapshot, now time.Time, p *plan) (seqs []uint64, err error) {
	// What a snapshot shows beyond this may not be durable yet.
	durable, today := c.v.log.Head().Seq, c.v.log.At()
	least := -1 // tries of the one that was tried least
	err = eachWaiting(s, c.hook.Name, func(seq uint64) (bool, error) {
		was := c.failed[seq]
		if seq > durable || len(p.over) == settleAtOnce {
			return false, nil
		}
		q, err := loadOnce[queued](c.v, s, store.Outbox, outboxKey(c.hook.Name, seq))
		if err != nil || q == nil {
			return err == nil, err
		}
		end := q.At.Add(deliverFor)
		switch {
		case !today.Before(end) && (was.tries > 0 || c.failures > 0):
			p.over = append(p.over, seq)
		case was.due.After(now):
			p.sooner(was.due)
			p.sooner(now.Add(end.Sub(today)))
		case c.failures < 2:
			seqs = append(seqs, seq)
		case least < 0 || was.tries < least:
			seqs, least = []uint64{seq}, was.tries
		}
		return len(seqs) < lettersAtOnce && least != 0, nil
	})
	if c.failures > 0 && len(seqs) > 1 {
		seqs = seqs[:1]
	}
	return seqs, err
}

func (p *plan) sooner(t time.Time) {
	if p.next.IsZero() || t.Before(p.next) {
		p.next = t
	}
}

// message is the body of what is sent, as Standard Webhooks has it, and besides the
// vault that it comes from.
type message struct {
	Type      string         `json:"type"`
	Timestamp time.Time      `json:"timestamp"`
	Tenant    string         `json:"tenant"`
	Data      api.AuditEvent `json:"data"`
}

// letter is the message about an event. For one receiver it is the same each time.
func (v *Vault) letter(r store.Reader, seq uint64, receiver string) (letter, error) {
	e, err := audit.Read(r, seq)
	if err != nil {
		return letter{}, err
	}
	data := DescribeEvent(e)
	if own := ownWords(e); own != "" {
		data.Reason = strings.TrimSuffix(strings.TrimSuffix(data.Reason, own), ": ")
	}
	if err := v.describeRequest(r, e, &data); err != nil {
		return letter{}, err
	}
	body, err := json.Marshal(message{string(e.Action), e.Time.Time, v.tenant, data})
	if err != nil {
		return letter{}, fmt.Errorf("encoding event %d: %w", seq, err)
	}
	return letter{seq, v.messageID(e.ID, receiver), body, e.Time.Add(deliverFor)}, nil
}

// messageID is the same for each attempt to tell a receiver of an event, and no other.
func (v *Vault) messageID(event, receiver string) string {
	h := sha256.Sum256([]byte("ass-webhook-v1\n" + v.tenant + "\n" + event + "\n" + receiver))
	return "msg_" + idEncoding.EncodeToString(h[:16])
}

// claimMark stands in the reason of an event before what an agent says.
const claimMark = "it says: "

// ownWords is what the reason of an event ends in that an agent has written itself: it
// could be anything that the agent knows, and is told to owners alone.
func ownWords(e audit.Stored) string {
	switch {
	case e.Action == audit.ApprovalRequest:
		if i := strings.Index(e.Reason, claimMark); i >= 0 {
			return e.Reason[i:]
		}
	case e.Action == audit.VaultLockdown && e.Actor.Kind == string(kindAgent):
		return e.Reason
	}
	return ""
}

// describeRequest adds the tier of what is asked for, as long as the request is kept.
func (v *Vault) describeRequest(r store.Reader, e audit.Stored, data *api.AuditEvent) error {
	if e.Action != audit.ApprovalRequest {
		return nil
	}
	a, err := loadOnce[approval](v, r, store.Approvals, e.Approval)
	if err == nil && a != nil {
		data.Metadata["access_tier"] = string(a.tier())
	}
	return err
}
