package client

import "time"

// SetSilence says how long a daemon that is followed may say nothing.
func SetSilence(c *Client, d time.Duration) { c.silence = d }
