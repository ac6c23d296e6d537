package api

// MaxValue is the longest value that the vault takes, in bytes of UTF-8.
const MaxValue = 1 << 20

// MaxImport is the longest dotenv text that an import takes, in bytes.
const MaxImport = 16 << 20
