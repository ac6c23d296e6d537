package main

type envCmd struct {
	Import envImportCmd `cmd:"" help:"Store all values of a .env file, or none."`
	Export envExportCmd `cmd:"" help:"Print the secrets of a namespace as a .env file."`
}

// Help shows examples.
func (envCmd) Help() string {
	return `Examples:

  ass env import .env.production --namespace production
  ass env export production --out .env.production`
}
