package helper

import "bytes"

// Reprint reads a message and writes it again.
func Reprint(b []byte) ([]byte, error) {
	f, err := readFrame(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = writeFrame(&out, f)
	return out.Bytes(), err
}
