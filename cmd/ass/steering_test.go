package main

import (
	"strings"
	"testing"
)

// TestSteering says what THREATS 23 names, and that the names of ordinary secrets
// are not among it.
func TestSteering(t *testing.T) {
	for _, name := range strings.Fields(`PATH IFS ENV BASH_ENV LD_PRELOAD LD_AUDIT DYLD_INSERT_LIBRARIES NODE_OPTIONS PYTHONPATH PYTHONSTARTUP
		PERL5OPT PERL5LIB PERLLIB RUBYOPT GIT_SSH_COMMAND GIT_ASKPASS SSH_ASKPASS SSH_AUTH_SOCK HTTPS_PROXY https_proxy All_Proxy no_proxy
		SSL_CERT_FILE SSL_CERT_DIR CURL_CA_BUNDLE REQUESTS_CA_BUNDLE NODE_EXTRA_CA_CERTS ASS_AGENT_KEY ASSD_SOCKET path BASH_FUNC_x
		PS4 PROMPT_COMMAND SHELLOPTS BASHOPTS _JAVA_OPTIONS JAVA_TOOL_OPTIONS GCONV_PATH LOCPATH HOME NODE_PATH RUBYLIB
		MAILPATH AR PSQLRC PSQL_PAGER AWS_PAGER GH_EDITOR KUBECTL_EXTERNAL_DIFF CARGO_REGISTRY_GLOBAL_CREDENTIAL_PROVIDERS`) {
		if !steers(name) {
			t.Errorf("%s does not steer", name)
		}
	}
	for _, name := range strings.Fields(`OPENAI_API_KEY DATABASE_URL STRIPE_KEY GOOGLE_API_KEY GITHUB_TOKEN GITLAB_TOKEN NPM_TOKEN NODE_AUTH_TOKEN NODE_ENV
		CARGO_REGISTRY_TOKEN RUBYGEMS_API_KEY GPG_PRIVATE_KEY AWS_SECRET_ACCESS_KEY AWS_ACCESS_KEY_ID PGPASSWORD PGHOST PGSSLMODE MYSQL_PWD
		DOCKER_PASSWORD MAVEN_PASSWORD SECRET_PATH ENVIRONMENT PROXY MY_ENV PORT REDIS_URL SENTRY_DSN TLS_CERT SSL_KEY MAIL_PASSWORD RM_KEY PASSWORD USER`) {
		if steers(name) {
			t.Errorf("%s steers", name)
		}
	}
}

func TestIsIdentifier(t *testing.T) {
	for name, want := range map[string]bool{"A": true, "_": true, "_a1": true, "": false, "1A": false, "A-B": false, "A.B": false, "Ä": false, "A B": false, "A=": false} {
		if isIdentifier(name) != want {
			t.Errorf("%q is an identifier: %v", name, !want)
		}
	}
}
