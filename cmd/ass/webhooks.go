package main

type webhooksCmd struct {
	List webhooksListCmd `cmd:"" help:"List the webhooks, and how they stand."`
	Test webhooksTestCmd `cmd:"" help:"Send a signed test to a webhook now."`
}

// Help shows examples.
func (webhooksCmd) Help() string {
	return `Webhooks are configured in assd.toml, on the daemon's machine: assd serve --help.

Examples:

  ass webhooks list
  ass webhooks test chat`
}
