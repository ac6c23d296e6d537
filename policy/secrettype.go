package policy

// SecretType says what a secret is used for. It decides nothing.
type SecretType string

const (
	APIKey       SecretType = "api_key"
	OAuthToken   SecretType = "oauth_token"
	DBCredential SecretType = "db_credential"
	SSHKey       SecretType = "ssh_key"
	Certificate  SecretType = "certificate"
	Custom       SecretType = "custom"
)

// ParseSecretType reads one of the six types. Errors wrap [ErrInvalid].
func ParseSecretType(s string) (SecretType, error) {
	switch t := SecretType(s); t {
	case APIKey, OAuthToken, DBCredential, SSHKey, Certificate, Custom:
		return t, nil
	}
	return "", invalid("secret_type must be api_key, oauth_token, db_credential, ssh_key, certificate or custom")
}
