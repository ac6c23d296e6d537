package vault

// ShedSources is how many sources that were turned away are told apart.
func (v *Vault) ShedSources() int {
	v.shed.mu.Lock()
	defer v.shed.mu.Unlock()
	return len(v.shed.m)
}
