package api

// MaxValue is the longest value that the vault takes, in bytes of UTF-8.
const MaxValue = 1 << 20
