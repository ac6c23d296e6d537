package main

import (
	"slices"
	"strings"

	"github.com/agent-secret-store/assd/vault/api"
)

// steering are the names of environment variables that make a program load, run or
// trust something else, or ask somebody else: of loaders, shells, interpreters and
// build tools, git, ssh, editors and pagers, proxies, TLS trust, and of ass itself. A
// secret of such a name is given to a file or a process only when it is named: whoever
// may write one secret of a namespace could else run code wherever all of it is used.
//
// Names count in any case (zsh takes path for PATH); a * at either end stands for
// anything. What may as well be a secret is not meant: GOPROXY is listed, but not
// GO*, which GOOGLE_API_KEY begins with.
var steering = strings.Fields(`
	PATH CDPATH IFS ENV BASH_* BASHOPTS SHELLOPTS PS0 PS1 PS2 PS4 PROMPT_COMMAND ZDOTDIR FPATH GLOBIGNORE EXECIGNORE
	MAIL MAILPATH MAILCHECK PROMPT NULLCMD READNULLCMD POSIXLY_CORRECT INPUTRC HISTFILE FCEDIT SHELL HOME TMPDIR TMP TEMP XDG_* TERMCAP TERMINFO TERMINFO_DIRS

	LD_* DYLD_* GLIBC_TUNABLES MALLOC_* GCONV_PATH LOCPATH NLSPATH HOSTALIASES RES_OPTIONS LOCALDOMAIN RESOLV_HOST_CONF
	LISTEN_FDS LISTEN_PID LISTEN_FDNAMES NOTIFY_SOCKET CREDENTIALS_DIRECTORY DBUS_SESSION_BUS_ADDRESS DBUS_SYSTEM_BUS_ADDRESS
	GTK_MODULES GTK_PATH GIO_EXTRA_MODULES GIO_MODULE_DIR QT_PLUGIN_PATH COMSPEC PATHEXT SYSTEMROOT WINDIR

	NODE_OPTIONS NODE_PATH NODE_EXTRA_CA_CERTS NODE_TLS_REJECT_UNAUTHORIZED NODE_REPL_* NODE_V8_COVERAGE NODE_COMPILE_CACHE
	NODE_CHANNEL_FD NPM_CONFIG_* YARN_RC_FILENAME YARN_YARN_PATH YARN_PLUGINS BUN_OPTIONS BUN_INSPECT* DENO_CERT DENO_DIR
	PYTHON* PIP_* UV_PYTHON UV_CONFIG_FILE UV_INDEX* UV_DEFAULT_INDEX UV_EXTRA_INDEX_URL VIRTUAL_ENV IPYTHONDIR JUPYTER_PATH JUPYTER_CONFIG_*
	PERL* RUBYOPT RUBYLIB RUBYPATH RUBYSHELL RUBYGEMS_GEMDEPS GEM_HOME GEM_PATH BUNDLE_GEMFILE BUNDLE_PATH BUNDLE_CONFIG BUNDLE_APP_CONFIG
	PHPRC PHP_INI_SCAN_DIR LUA_INIT* LUA_PATH* LUA_CPATH* TCLLIBPATH GUILE_LOAD_PATH EMACSLOADPATH VIMINIT EXINIT
	JULIA_LOAD_PATH JULIA_DEPOT_PATH JULIA_PROJECT R_HOME R_PROFILE* R_ENVIRON* R_LIBS*
	JAVA_TOOL_OPTIONS _JAVA_OPTIONS JDK_JAVA_OPTIONS JDK_JAVAC_OPTIONS JAVA_OPTS JAVA_HOME CLASSPATH CATALINA_OPTS
	MAVEN_OPTS MAVEN_ARGS GRADLE_OPTS GRADLE_USER_HOME SBT_OPTS
	DOTNET_* COMPLUS_* CORECLR_* COR_ENABLE_PROFILING COR_PROFILER* PSMODULEPATH
	ERL_LIBS ERL_FLAGS ERL_AFLAGS ERL_ZFLAGS ERL_INETRC ELIXIR_ERL_OPTIONS
	GOPATH GOROOT GOBIN GOENV GOFLAGS GOPROXY GOSUMDB GONOSUMDB GONOPROXY GOPRIVATE GOINSECURE GOVCS GOAUTH GOTOOLCHAIN GODEBUG CGO_*
	RUSTC RUSTC_* RUSTDOC RUSTFLAGS RUSTDOCFLAGS RUSTUP_* CARGO_HOME CARGO_BUILD_* CARGO_TARGET_* CARGO_SOURCE_* CARGO_HTTP_* CARGO_ENCODED_RUSTFLAGS CARGO_REGISTRY_GLOBAL_*
	CC CXX CPP FC AR AS LD NM RM LEX YACC ARFLAGS CCACHE_PREFIX CFLAGS CXXFLAGS CPPFLAGS LDFLAGS LIBRARY_PATH CPATH C_INCLUDE_PATH CPLUS_INCLUDE_PATH PKG_CONFIG* CMAKE_* MAKEFLAGS GNUMAKEFLAGS MAKEFILES

	GIT_* SSH_* HGRCPATH HGEDITOR HGMERGE SVN_SSH SVN_EDITOR CVS_RSH RSYNC_RSH RSYNC_CONNECT_PROG GNUPGHOME SUDO_ASKPASS SUDO_EDITOR
	EDITOR VISUAL PAGER MANPAGER LESS LESSOPEN LESSCLOSE LESSKEY* LESSEDIT BROWSER TAR_OPTIONS GREP_OPTIONS
	DOCKER_HOST DOCKER_CONFIG DOCKER_CONTEXT DOCKER_CERT_PATH DOCKER_TLS* COMPOSE_FILE COMPOSE_ENV_FILES CONTAINER_HOST KUBECONFIG HELM_PLUGINS
	TF_CLI_* TF_DATA_DIR ANSIBLE_CONFIG ANSIBLE_LIBRARY ANSIBLE_CALLBACK_* ANSIBLE_STRATEGY_* ANSIBLE_ACTION_* KUBECTL_EXTERNAL_DIFF PYTEST_ADDOPTS GUNICORN_CMD_ARGS TS_NODE_*
	FZF_DEFAULT_* ESBUILD_BINARY_PATH JAVACMD LIBMYSQL_PLUGIN* CLOUDSDK_CONFIG CLOUDSDK_PYTHON AZURE_CONFIG_DIR
	AWS_CONFIG_FILE AWS_SHARED_CREDENTIALS_FILE AWS_ENDPOINT_URL* PGSERVICE PGSERVICEFILE PGSYSCONFDIR PGSSLROOTCERT PSQLRC PSQL_* *_PAGER *_EDITOR *_BROWSER

	*_PROXY *_CA_BUNDLE SSL_CERT_* SSLKEYLOGFILE OPENSSL_* GNUTLS_* CURL_HOME CURL_SSL_BACKEND WGETRC KRB5_CONFIG KRB5_KTNAME KRB5CCNAME

	ASS_* ASSD_*
`)

// steers reports whether a variable of that name steers programs.
func steers(name string) bool {
	name = strings.ToUpper(name)
	return slices.ContainsFunc(steering, func(pattern string) bool {
		if end, ok := strings.CutPrefix(pattern, "*"); ok {
			return strings.HasSuffix(name, end)
		}
		if start, ok := strings.CutSuffix(pattern, "*"); ok {
			return strings.HasPrefix(name, start)
		}
		return name == pattern
	})
}

// isIdentifier reports whether a shell, and any program, takes name as that of a
// variable.
func isIdentifier(name string) bool {
	for i, c := range []byte(name) {
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}

// refuseNames fails for secrets that are not to become variables, unless they are
// among keys, which somebody has named: whose names steer programs, or where it
// matters are no identifiers.
func refuseNames(secrets []api.Secret, keys []string, identifiers bool) error {
	var steer, odd []string
	for _, s := range secrets {
		switch {
		case slices.Contains(keys, s.Key):
		case steers(s.Key):
			steer = append(steer, s.Key)
		case identifiers && !isIdentifier(s.Key):
			odd = append(odd, s.Key)
		}
	}
	var says []string
	if len(steer) > 0 {
		says = append(says, "names that steer what programs load, run or trust: "+strings.Join(steer, ", "))
	}
	if len(odd) > 0 {
		says = append(says, "names that are no identifiers: "+strings.Join(odd, ", "))
	}
	if len(says) == 0 {
		return nil
	}
	return &fault{
		code: codeFailed, whole: true, message: "given only when they are asked for by name: " + strings.Join(says, "; "),
		hint: "name what you want with --keys A,B: these too, if you know whose values they are",
	}
}
