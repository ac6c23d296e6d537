package main

type vaultCompactCmd struct{}

// Help shows examples.
func (vaultCompactCmd) Help() string {
	return `Writes the daemon's data file anew, without what is gone from the vault: deleted and
replaced values, and keys, stay in the file's free space until then. All goes on
meanwhile; it needs space for a second file. The daemon does it once a week by itself.
Copies and backups from before keep what they hold.

Examples:

  ass vault compact`
}

// Run has the file compacted.
func (vaultCompactCmd) Run(a *app) error {
	cl, err := a.connect()
	if err != nil {
		return err
	}
	c, err := cl.Compact(a.ctx)
	if err != nil {
		return err
	}
	if a.JSON {
		return a.json(c)
	}
	return a.done("Compacted the data file: " + size(int64(c.Before)) + " before, " + size(int64(c.After)) + " now\nWhat was gone from the vault is gone from the file")
}
