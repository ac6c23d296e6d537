package main

import (
	"fmt"

	"github.com/agent-secret-store/assd/vault/api"
	"github.com/agent-secret-store/assd/vault/client"
)

type webhooksTestCmd struct {
	Name string `arg:"" optional:"" help:"The webhook. Without it, all."`
}

// Help shows examples.
func (webhooksTestCmd) Help() string {
	return `One message of the type webhook.test is sent, signed like all, and never again. It
exits with 1 when the receiver does not answer 2xx. One that does gets at once what
waits for it.

Examples:

  ass webhooks test
  ass webhooks test chat
  ass webhooks test chat --json`
}

// Run tests one webhook, or all.
func (c *webhooksTestCmd) Run(a *app) error {
	cl, err := a.connect()
	if err != nil {
		return err
	}
	names, err := c.names(a, cl)
	if err != nil {
		return err
	}
	tests, failed := []api.WebhookTest{}, 0
	for _, name := range names {
		t, err := cl.TestWebhook(a.ctx, name)
		if err != nil {
			return err
		}
		if tests = append(tests, *t); !t.Delivered {
			failed++
		}
		if !a.JSON {
			if err := a.printTest(t); err != nil {
				return err
			}
		}
	}
	if a.JSON {
		if err := a.json(map[string]any{"tests": tests}); err != nil {
			return err
		}
	}
	if failed > 0 {
		return &fault{code: codeFailed, message: plural(failed, "webhook") + " did not take the test", hint: "ass webhooks list"}
	}
	return nil
}

// names are those to test.
func (c *webhooksTestCmd) names(a *app, cl *client.Client) (names []string, err error) {
	if c.Name != "" {
		return []string{c.Name}, nil
	}
	l, err := cl.Webhooks(a.ctx)
	if err != nil {
		return nil, err
	}
	for _, w := range l.Items {
		names = append(names, w.Name)
	}
	if len(names) == 0 {
		return nil, api.New(api.CodeNotFound, "no webhook is configured").WithHint("on the daemon's machine: assd serve --help")
	}
	return names, nil
}

func (a *app) printTest(t *api.WebhookTest) error {
	where := foreign(t.Name, maxName) + " at " + foreign(t.Origin, maxMessage)
	if t.Delivered {
		return a.done(fmt.Sprintf("%s took the test, in %d ms", where, t.Milliseconds))
	}
	return a.answer(a.bad("✗") + " " + where + ": " + foreign(t.Failure, maxMessage) + "\n")
}
