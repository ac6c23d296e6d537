package webhook

import "context"

// DialAs connects to addr as a Sender to that URL does, whatever its name leads to.
func DialAs(url, addr string) error {
	u, err := ParseURL(url)
	if err != nil {
		return err
	}
	c, err := dialer(u.plain).DialContext(context.Background(), "tcp", addr)
	if err != nil {
		return fault(err)
	}
	return c.Close()
}
