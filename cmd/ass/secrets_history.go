package main

import (
	"strconv"
	"time"

	"github.com/agent-secret-store/assd/vault/api"
)

type historyCmd struct {
	Path string `arg:"" name:"namespace/key" help:"The secret."`
}

// Help shows examples.
func (historyCmd) Help() string {
	return `The newest 10 versions are kept, with those that were current in the last 7 days
and the newest that an owner wrote; at most 100. Who may read the secret sees them,
without values and without an approval.

Examples:

  ass secrets history production/OPENAI_API_KEY
  ass secrets history production/OPENAI_API_KEY --json | jq '.versions[].version'
  ass secrets get production/OPENAI_API_KEY --version 3
  ass secrets rollback production/OPENAI_API_KEY --to 3`
}

// Run lists the versions. The scope is a relative one: it names no secret whose tier
// would ask for a person.
func (c *historyCmd) Run(a *app) error {
	path, err := parsePath(c.Path)
	if err != nil {
		return err
	}
	s, err := a.open("read:secrets")
	if err != nil {
		return err
	}
	h, err := s.Versions(a.ctx, path)
	if err != nil {
		return err
	}
	if a.JSON {
		return a.json(struct {
			Namespace string              `json:"namespace"`
			Key       string              `json:"key"`
			Versions  []api.SecretVersion `json:"versions"`
		}{h.Namespace, h.Key, append([]api.SecretVersion{}, h.Items...)})
	}
	t := sheet{
		title: path.String(), count: plural(len(h.Items), "version"),
		columns: []string{"Version", "Stored", "By", "Until", "Expires"},
	}
	for _, v := range h.Items {
		until := "current"
		if !v.Current {
			until = momentOr(v.ReplacedAt, "")
		}
		expires := momentOr(v.ExpiresAt, "never")
		if v.Expired {
			expires += ", expired"
		}
		t.rows = append(t.rows, []string{strconv.FormatUint(v.Version, 10), moment(v.CreatedAt), v.CreatedBy, until, expires})
	}
	return a.answer(t.String())
}

// momentOr prints a time, or what none means.
func momentOr(t *time.Time, none string) string {
	if t == nil {
		return none
	}
	return moment(*t)
}
