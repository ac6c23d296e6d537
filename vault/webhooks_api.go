package vault

import (
	"context"
	"errors"
	"time"

	"github.com/agent-secret-store/assd/audit"
	"github.com/agent-secret-store/assd/store"
	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/webhook"
)

// Webhooks lists the receivers, for owners.
func (v *Vault) Webhooks(ctx context.Context, req Request) (out []api.Webhook, err error) {
	err = v.look(ctx, req, audit.WebhookList, true, func(r store.Reader, _ *caller) (err error) {
		out, err = v.describeWebhooks(r)
		return err
	})
	return out, err
}

func (v *Vault) describeWebhooks(r store.Reader) ([]api.Webhook, error) {
	out := []api.Webhook{}
	rec, err := v.receivers(r)
	if err != nil {
		return out, err
	}
	for _, one := range rec.List {
		w, err := v.describeWebhook(r, one)
		if err != nil {
			return out, err
		}
		out = append(out, w)
	}
	return out, nil
}

func (v *Vault) describeWebhook(r store.Reader, one receiver) (api.Webhook, error) {
	w := api.Webhook{Name: one.Name, Origin: one.Origin, State: api.WebhookOK}
	for _, p := range one.Events {
		w.Events = append(w.Events, string(p))
	}
	if err := eachWaiting(r, one.Name, func(seq uint64) (bool, error) {
		if w.Pending++; w.Pending > 1 {
			return true, nil
		}
		q, err := loadOnce[queued](v, r, store.Outbox, outboxKey(one.Name, seq))
		if q != nil {
			w.OldestPending = &q.At
		}
		return err == nil, err
	}); err != nil {
		return w, err
	}
	if one.Lost > 0 && v.log.At().Sub(one.LostAt) < LostShown {
		w.Lost, w.LostAt, w.LostReason = one.Lost, &one.LostAt, one.LostWhy
	}
	if c := v.courier(one.Name); c != nil {
		c.look().describe(&w)
	}
	return w, nil
}

func (s courierState) describe(w *api.Webhook) {
	w.LastDelivered, w.LastFailureAt, w.LastFailure = orNull(s.delivered), orNull(s.failedAt), s.failure
	if s.failing {
		w.State, w.NextTry = api.WebhookFailing, orNull(s.next)
	}
}

// TestWebhook sends one message to a receiver now, for owners, and says what came of
// it. It is never sent again.
func (v *Vault) TestWebhook(ctx context.Context, req Request, name string) (out api.WebhookTest, err error) {
	var c *courier
	var seq uint64
	err = v.do(ctx, on("webhook.test"), req, func(a *act) error {
		if err := a.ownerOnly(audit.WebhookTest); err != nil {
			return err
		}
		rec, err := v.receivers(a.tx)
		if err != nil {
			return err
		}
		if c = v.courier(name); c == nil || rec.find(name) == nil {
			return api.New(api.CodeNotFound, "there is no webhook of that name").WithHint("ass webhooks list shows them")
		}
		ev := a.event(audit.WebhookTest)
		ev.Subject = &audit.Subject{ID: name, Name: name}
		seq, err = v.log.Append(a.tx, ev)
		return err
	})
	if err != nil {
		return out, err
	}
	return v.sendTest(ctx, c, seq)
}

func (v *Vault) sendTest(ctx context.Context, c *courier, seq uint64) (out api.WebhookTest, err error) {
	var l letter
	err = v.db.View(func(s *store.Snapshot) (err error) { l, err = v.letter(s, seq, c.hook.Name); return err })
	if err != nil {
		return out, asAPI(err)
	}
	out = api.WebhookTest{Name: c.hook.Name, Origin: c.hook.To.URL.String(), Delivered: true}
	began := time.Now()
	err = c.sender.Send(ctx, webhook.Message{ID: l.id, At: v.cfg.Now(), Body: l.body})
	out.Milliseconds = int(time.Since(began).Milliseconds())
	switch {
	case err == nil:
		c.anew()
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return out, err
	default:
		out.Delivered, out.Failure = false, err.Error()
	}
	return out, nil
}
