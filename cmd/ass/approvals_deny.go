package main

type approvalsDenyCmd struct {
	IDs    []string `arg:"" name:"id" help:"Requests, apr_..."`
	Reason string   `placeholder:"TEXT" help:"Why; it is kept in the audit trail, and shown to the agent when it asks how its request stands."`
}

// Help shows examples.
func (approvalsDenyCmd) Help() string {
	return `The agent learns of it, and of the reason, when it asks how its request stands: GET
/v1/approvals/agent/ID.

Examples:

  ass approvals deny apr_def456 --reason "Unexpected access"`
}

// Run denies requests.
func (c *approvalsDenyCmd) Run(a *app) error {
	cl, err := a.connect()
	if err != nil {
		return err
	}
	items, err := a.find(cl, c.IDs)
	if err != nil {
		return err
	}
	if err := a.show("About to deny:", items); err != nil {
		return err
	}
	d := decision{verb: "Denied", do: cl.Deny, reason: c.Reason}
	return d.run(a, items)
}
