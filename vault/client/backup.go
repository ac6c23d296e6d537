package client

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/agent-secret-store/assd/vault/api"
)

// Backup is a backup as it comes from a daemon. The end of what is read from it is
// io.EOF only when it is whole by its length; else a *CutError. What it says of itself
// is for whoever reads it to hold against what came.
type Backup struct {
	api.BackupInfo
	io.ReadCloser
}

// Backup has the daemon make a backup, for as long as that takes. Owners only; with the
// approval passphrase where there is one.
func (c *Client) Backup(ctx context.Context, req api.BackupRequest) (*Backup, error) {
	cl := call{method: http.MethodGet, path: "/v1/vault/backup", bearer: c.key}
	if req.Passphrase != nil {
		cl.method, cl.body = http.MethodPost, req
	}
	res, err := c.answer(ctx, cl, nil)
	if err != nil {
		return nil, err
	}
	info, err := backupInfo(res)
	if err != nil {
		return nil, errors.Join(err, res.Body.Close())
	}
	return &Backup{info, &whole{body: res.Body, c: c}}, nil
}

var errBackupInfo = errors.New("what the daemon sends is no backup")

func backupInfo(res *http.Response) (info api.BackupInfo, err error) {
	digest, ok := strings.CutPrefix(res.Header.Get(api.BackupDigest), "sha-256=:")
	sum, bad := base64.StdEncoding.DecodeString(strings.TrimSuffix(digest, ":"))
	if !ok || bad != nil || len(sum) != 32 || res.ContentLength < 1 {
		return info, errBackupInfo
	}
	if info.Events, err = strconv.ParseUint(res.Header.Get(api.BackupEvents), 10, 63); err != nil {
		return info, errBackupInfo
	}
	info.Size, info.SHA256 = res.ContentLength, hex.EncodeToString(sum)
	info.Tenant, info.Head = res.Header.Get(api.BackupTenant), res.Header.Get(api.BackupHead)
	info.Slots = strings.Split(res.Header.Get(api.BackupSlots), ", ")
	return info, nil
}
