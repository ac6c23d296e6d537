package confine

import (
	"os"
	"path/filepath"
	"strings"
)

// Files are the folders in which the files at these paths are read: each one's own,
// and where it is a symbolic link the one of the file that it leads to. "" is passed
// over.
func Files(paths ...string) (folders []Folder) {
	for _, path := range paths {
		if path == "" {
			continue
		}
		folders = append(folders, Folder{Path: filepath.Dir(path)})
		if real, err := filepath.EvalSymlinks(path); err == nil {
			folders = append(folders, Folder{Path: filepath.Dir(real)})
		}
	}
	return folders
}

// System are the folders of the system that a Go program reads by itself: for names
// of hosts and users, time zones, certificate authorities, and processes.
func System() []Folder {
	folders := Files(
		"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/localtime",
		// Where crypto/x509 looks, on each of the distributions.
		"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
		"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/ssl/cert.pem", os.Getenv("SSL_CERT_FILE"),
	)
	for _, path := range []string{"/etc", "/proc", "/usr/share/zoneinfo", "/usr/share/ca-certificates", "/usr/local/share/ca-certificates"} {
		folders = append(folders, Folder{Path: path})
	}
	for dir := range strings.SplitSeq(os.Getenv("SSL_CERT_DIR"), ":") {
		if dir != "" {
			folders = append(folders, Folder{Path: dir})
		}
	}
	return folders
}
