package main_test

// A command that is new needs a line here, or in canary_linux_test.go, where it
// succeeds: what it is given, who gives it, and which canaries it is meant to print.

// before is what makes a vault of another owner, whose key is not good here.
var before = []step{
	{line: "assd init --data-dir $dir/share/other --owner other --json", makes: map[string]string{"owner_key": "foreign"}},
	{line: "assd init --data-dir $dir/share/other", code: some},
}

// act is what owners and agents do, in this order.
var act = []step{
	{line: "ass whoami", code: some},
	{line: "ass login --passphrase-file $dir/in/pass --json", makes: map[string]string{"recovery_passphrase": "recovery"}},
	{line: "ass login --verbose"},
	{line: "ass whoami --json"},
	{line: "ass status --verbose"},
	{line: "ass secrets set app/VALUE", in: "$value"},
	{line: "ass secrets set app/SENSITIVE --tier sensitive --verbose", in: "$sensitive"},
	{line: "ass secrets set app/CRITICAL --tier critical --json", in: "$critical"},
	{line: "ass env import $dir/in/import.env --namespace app"},
	{line: "ass env import - --namespace app --dry-run --json", in: "IMPORTED='$imported'"},

	// Who may read, reads; a step-up is one of the slow ones.
	{line: "ass secrets get app/VALUE", prints: []string{"value"}},
	{line: "ass secrets get app/VALUE --json --verbose", prints: []string{"value"}},
	{line: "ass secrets get app/SENSITIVE --passphrase-file $dir/in/pass", prints: []string{"sensitive"}},
	{line: "ass secrets list --json"},
	{line: "ass env export app --keys VALUE,IMPORTED", prints: []string{"value", "imported"}},
	{line: "ass env export app --keys VALUE --format shell", prints: []string{"value"}},
	{line: "ass env export app --keys VALUE --format json", prints: []string{"value"}},
	{line: "ass env export app --keys VALUE --format docker-env", prints: []string{"value"}},
	{line: "ass env export app --keys VALUE --out $dir/out/export.env"},
	{line: "ass run --namespace app --keys VALUE,IMPORTED --verbose -- /bin/sh $dir/in/tell"},
	{line: "ass run --namespace app --keys VALUE,IMPORTED --no-masking -- /bin/sh $dir/in/tell", prints: []string{"value", "imported"}},

	// An agent asks, and gets what it was given.
	{line: "ass agents create --name bot --namespace app --scope secrets:*:app/* --quiet --passphrase-file $dir/in/pass", makes: map[string]string{"": "agent"}},
	{line: "ass agents list"},
	{as: "agent", line: "ass whoami"},
	{as: "agent", line: "ass secrets get app/VALUE --verbose", prints: []string{"value"}},
	{as: "agent", line: "ass secrets get app/SENSITIVE --reason nightly", code: 5},
	{line: "ass approvals list --quiet", finds: map[string]string{"": "request"}},
	{line: "ass approvals approve $request --passphrase-file $dir/in/pass"},
	{as: "agent", line: "ass secrets get app/SENSITIVE", prints: []string{"sensitive"}},
	{as: "agent", line: "ass run --namespace app --keys SENSITIVE --no-masking -- /bin/sh -c env", prints: []string{"sensitive"}},
	{line: "ass approvals revoke $request"},
	{as: "agent", line: "ass secrets get app/CRITICAL --json", code: 5},
	{line: "ass approvals list --quiet", finds: map[string]string{"": "other"}},
	{line: "ass approvals deny $other --reason no"},
	{as: "agent", line: "ass secrets get app/CRITICAL --wait=1s --verbose", code: some},
	{as: "agent", line: "ass tokens create --scopes secrets:read:app/VALUE --json", makes: map[string]string{"token": "token"}, finds: map[string]string{"token_id": "tokenid"}},
	{as: "token", line: "ass secrets get app/VALUE", code: some},
	{as: "agent", line: "ass tokens list"},
	{as: "agent", line: "ass tokens revoke $tokenid"},

	// The next values, and those before.
	{line: "ass secrets rotate app/IMPORTED --value - --verbose", in: "$rotated"},
	{line: "ass secrets rotate app/MADE", code: some},
	{line: "ass secrets set app/MADE", in: "made at first"},
	{line: "ass secrets rotate app/MADE"},
	{line: "ass secrets get app/MADE", prints: []string{"made"}},
	{line: "ass secrets history app/IMPORTED"},
	{line: "ass secrets rollback app/IMPORTED --to 1 --yes"},
	{line: "ass secrets get app/IMPORTED --version 2", prints: []string{"rotated"}},
	{line: "ass secrets delete app/IMPORTED --yes --verbose"},

	// What is told of it.
	{line: "ass audit --limit 1000 --json"},
	{line: "ass audit list"},
	{line: "ass audit verify"},
	{line: "ass audit checkpoint"},
	{line: "ass audit export"},
	{line: "ass audit export --format csv --out $dir/out/trail.csv"},
	{line: "ass audit stats"},
	{line: "ass audit rotate-key --passphrase-file $dir/in/pass"},
	{line: "ass policy check --agent bot --scope secrets:read:app/VALUE"},
	{line: "ass policy show"},
	{line: "ass policy accept --yes --passphrase-file $dir/in/pass"},
	{line: "ass webhooks list --json"},
	{line: "ass webhooks test --verbose"},
	{line: "ass vault cert"},
	{line: "ass vault status --verbose"},
	{line: "ass vault slots list --json"},
	{line: "ass vault slots add --seal passphrase --generate --json --verbose --passphrase-file $dir/in/pass", makes: map[string]string{"passphrase": "slotpass"}, finds: map[string]string{"id": "slot"}},
	{line: "ass vault backup $dir/out/vault.backup --verbose --passphrase-file $dir/in/pass"},
	{line: "ass vault slots remove $slot --passphrase-file $dir/in/pass"},
	{line: "ass vault compact --json"},
	{line: "ass vault rotate-kek --wait --passphrase-file $dir/in/pass"},
	{line: "ass vault seal --verbose"},
	{line: "ass secrets get app/VALUE --verbose", code: 6},
	{line: "ass secrets set app/VALUE --json", in: "$value", code: 6},
	{line: "ass vault unseal --passphrase-file $dir/in/pass", code: 4},
	{line: "ass vault unseal --verbose"},
	{line: "ass doctor --verbose", code: 1, does: true},
	{line: "ass doctor --json", code: 1, does: true},

	// A key of another vault, none, and one that was given and taken back.
	{as: "foreign", line: "ass secrets get app/VALUE --verbose", code: 4},
	{as: "foreign", line: "ass secrets set app/VALUE --json", in: "$value", code: 4},
	{as: "foreign", line: "ass login", code: 4},
	{line: "ass agents create --name gone --quiet --passphrase-file $dir/in/pass", makes: map[string]string{"": "revoked"}},
	{line: "ass agents revoke gone"},
	{as: "revoked", line: "ass secrets get app/VALUE", code: 4},

	{line: "ass vault lockdown --reason drill"},
	{as: "agent", line: "ass secrets get app/VALUE --verbose", code: 4},
	{line: "ass secrets set app/VALUE --json", in: "$value", code: 4},
	{line: "ass vault lift --passphrase-file $dir/in/pass"},
	{line: "ass passphrase set --passphrase-file $dir/in/pass --new-passphrase-file $dir/in/next"},
	{line: "ass secrets get app/SENSITIVE --passphrase-file $dir/in/pass --verbose", code: 4},
}

// fewWrong is how many of wrong there is time for in a short run.
const fewWrong = 10

// wrong is malformed input, each with nothing that may be printed.
var wrong = []step{
	{line: "ass secrets get app/NOTHING --verbose", code: 3},
	{as: "agent", line: "ass secrets get app/NOTHING --json", code: 3},
	{as: "agent", line: "ass secrets get elsewhere/VALUE", code: 4},
	{as: "agent", line: "ass secrets set elsewhere/VALUE --json --verbose", in: "$value", code: 4},
	{as: "agent", line: "ass agents list", code: 4},
	{as: "agent", line: "ass secrets set app/CRITICAL", in: "$critical", code: 5},
	{line: "ass secrets get app/SENSITIVE", code: 2},
	{line: "ass secrets set app/LONG", in: "$long", code: some},
	{line: "ass secrets rotate app/VALUE --value -", in: "$long", code: some},
	{line: "ass secrets set app/BINARY --verbose", in: "$binary", code: some},
	{line: "ass secrets set app/BASE64 --base64 --json", in: "$value", code: some},
	{line: "ass env import - --namespace app", in: "$long", code: some},
	{line: "ass env import - --namespace app --json", in: "A='$value", code: some},
	{line: "ass env import - --namespace app", in: "A=1\n$value\n", code: some},
	{line: "ass env import - --namespace app", in: "A=$binary", code: some},
	{line: "ass env import - --namespace app --type nothing", in: "A='$value'", code: 2},
	{line: "ass run --namespace app --keys VALUE --env-file $dir/in/broken.env -- true", code: some},
	{line: "ass run --namespace app --keys VALUE -- $dir/in/tell", code: some},
	{line: "ass run --namespace app --keys VALUE -- /bin/sh $dir/in/fail", code: 3},
	{line: "ass secrets get app/SENSITIVE --passphrase-file $dir/in/long", code: some},
	{line: "ass passphrase set --passphrase-file $dir/in/next --new-passphrase-file $dir/in/long", code: some},
	{line: "ass env export app --keys VALUE --out $dir/none/export.env", code: some},
	{line: "ass audit verify --checkpoint -", in: "$value", code: some},
}

// gone is what is tried when no daemon is there.
var gone = []step{
	{line: "ass secrets get app/VALUE --verbose", code: 6},
	{line: "ass secrets set app/VALUE --json", in: "$value", code: 6},
	{as: "agent", line: "ass env import - --namespace app --verbose", in: "A='$value'", code: 6},
	{as: "agent", line: "ass run --namespace app -- /bin/sh -c env", code: 6},
	{line: "ass doctor --verbose", code: 1},
}

// offline is what assd does by itself.
var offline = []step{
	{line: "assd verify"},
	{line: "assd verify --json"},
	{line: "assd verify --data-dir $dir/none", code: some},
	{line: "assd passphrase set --old-passphrase-file $dir/in/pass --passphrase-file $dir/in/next", code: some},
	{line: "assd passphrase set --old-passphrase-file $dir/in/next --passphrase-file $dir/in/pass"},
	{line: "assd restore --data-dir $dir/share/restored --key-file $dir/share/restored.key $dir/out/vault.backup"},
	{line: "assd restore --data-dir $dir/share/none $dir/in/import.env", code: some},
	{line: "assd restore --as-new --data-dir $dir/share/restored $dir/out/vault.backup", code: some},
	{line: "assd restore --as-new --data-dir $dir/share/another $dir/out/vault.backup"},
	{line: "assd recover-owner --data-dir $dir/share/another", code: some},
	{line: "assd recover-owner --json", makes: map[string]string{"owner_key": "recovered"}},
	{line: "assd recover-owner --owner nobody-of-that-name", code: some},
}

// misnamed are command lines of ass with a secret in the place of a file's name, or of a
// part of one where the file would be made.
var misnamed = []string{
	"ass env import $value --namespace app --verbose",
	"ass env import none/$agent --namespace app --json",
	"ass run --env-file $value -- true",
	"ass audit verify --checkpoint $passphrase --verbose",
	"ass audit export --out none/$value",
	"ass env export app --out none/$value --json",
	"ass vault backup none/$value --passphrase-file $dir/in/next",
	"ass vault backup --every 1h --dir $value --passphrase-file $dir/in/next",
	"ass vault slots add --seal file --key-file none/$value --passphrase-file $dir/in/next",
	"ass vault slots add --seal passphrase --new-passphrase-file $passphrase --passphrase-file $dir/in/next",
	"ass vault rotate-kek --root --slot-passphrase-file $passphrase --passphrase-file $dir/in/next",
	"ass passphrase set --passphrase-file $dir/in/next --new-passphrase-file $passphrase",
	"ass secrets get app/SENSITIVE --passphrase-file $passphrase --verbose",
	"ass whoami --api-url https://$address --ca-cert $value --verbose",
	"ass login --api-url https://$address --ca-cert none/$value",
	"ass whoami --api-url https://$address --client-cert $value --client-key $agent",
	"ass whoami --api-url https://$address --client-cert $dir/share/assd/tls/cert.pem --client-key $agent --json",
}

// misled are answers of a daemon that was told of files that are not there.
var misled = []step{
	{as: "recovered", line: "ass status --json --verbose"},
	{as: "recovered", line: "ass policy show --json"},
}

// misnamedOffline are the same for assd; each of its flags that take a file is in one, but
// --policy, with which it serves all the same.
var misnamedOffline = []step{
	{line: "assd init --data-dir $dir/share/sealed --seal passphrase --passphrase-file $passphrase", code: 2},
	{line: "assd init --data-dir $dir/share/sealed --seal passphrase --passphrase-file $dir/in/pass"},
	{line: "assd init --data-dir $dir/share/none --key-file none/$value", code: 1},
	{line: "assd init --data-dir $dir/share/none --seal command --seal-command $value", code: 2},
	{line: "assd init --data-dir $dir/share/none --seal command --seal-command /$agent", code: 1},
	{line: "assd verify --config $value", code: 2},
	{line: "assd verify --key-file $value", code: 2},
	{line: "assd verify --checkpoint $value --json", code: 2},
	{line: "assd passphrase set --old-passphrase-file $passphrase --passphrase-file $dir/in/next", code: 2},
	{line: "assd passphrase set --data-dir $dir/share/other --passphrase-file $passphrase", code: 2},
	{line: "assd passphrase set --key-file none/$value --old-passphrase-file $dir/in/pass --passphrase-file $dir/in/next", code: 1},
	{line: "assd recover-owner --data-dir $dir/share/sealed --unseal-passphrase-file $passphrase", code: 2},
	{line: "assd recover-owner --data-dir $dir/share/other --key-file $agent", code: 1},
	{line: "assd restore --data-dir $dir/share/other $value", code: 1},
	{line: "assd restore --data-dir $dir/share/other --key-file none/$value $dir/out/vault.backup", code: 1},
	{line: "assd serve --data-dir $dir/share/other --config none/$value", code: 2},
	{line: "assd serve --data-dir $dir/share/other --key-file $agent", code: 1},
	{line: "assd serve --data-dir $dir/share/other --listen 127.0.0.1:0 --client-ca $value", code: 1},
	{line: "assd serve --data-dir $dir/share/other --listen 127.0.0.1:0 --tls-cert $agent --tls-key $dir/in/next", code: 1},
	{line: "assd serve --data-dir $dir/share/other --listen 127.0.0.1:0 --tls-cert $dir/share/assd/tls/cert.pem --tls-key $agent", code: 1},
}

// after is what is left to do with a vault that has another key by then.
var after = []step{
	{line: "ass whoami --verbose", code: 4},
	{as: "recovered", line: "ass login"},
	{as: "recovered", line: "ass agents create --owner --name second --json --passphrase-file $dir/in/pass", makes: map[string]string{"api_key": "second", "initial_passphrase": "initial"}},
	{as: "agent", line: "ass login --verbose"},
	{line: "ass logout"},
	{line: "ass logout", code: some},
}
