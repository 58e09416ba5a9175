#!/bin/sh
# `kvik cache` on folders that make_store has made. tests/store/cache.sh KVIK MAKE_STORE
set -eu
kvik=$1
make=$2
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
fail() {
	echo "FAILED: $1"
	cat "$out/said"
	exit 1
}
is() { # is WHAT EXPECTED COMMAND...: its output, on stdout
	what=$1
	expected=$2
	shift 2
	"$@" >"$out/said" 2>"$out/warned" || fail "$what: status $?"
	[ "$(cat "$out/said")" = "$expected" ] || fail "$what: not $expected"
}
says() { # says STATUS TEXT COMMAND...
	status=$1
	text=$2
	shift 2
	"$@" >"$out/said" 2>&1 && got=0 || got=$?
	[ "$got" = "$status" ] || fail "$*: status $got, not $status"
	grep -q -e "$text" "$out/said" || fail "$*: does not say: $text"
}
field() { python3 -c 'import json,sys; d = json.load(open(sys.argv[1])); print(eval(sys.argv[2]))' "$out/said" "$1"; }
json() { # json WHAT EXPRESSION EXPECTED COMMAND...
	what=$1
	expression=$2
	expected=$3
	shift 3
	"$@" --json >"$out/said" 2>"$out/warned" || fail "$what: status $?"
	got=$(field "$expression")
	[ "$got" = "$expected" ] || fail "$what: $got, not $expected"
}

# what http_keys.c makes of a key: HMAC-SHA256, the first 8 bytes, never even
scope_of() {
	python3 -c 'import hashlib, hmac, sys; print(int.from_bytes(hmac.new(sys.argv[1].encode(), b"kvik: namespace of prefixes, by key\0",
	hashlib.sha256).digest()[:8], "little") | 1)' "$1"
}
printf '%s\n' "key-of-alice alice" "key-of-bob bob 60" "key-of-carol carol" "key-of-dave dave" "key-two-of-bob bob" >"$out/keys"
kvik_cache() { # ACTION DIR ...: with the keys
	"$kvik" cache "$@" --keys "$out/keys"
}
"$make" "$out/a" 0 1 5
"$make" "$out/a" "$(scope_of key-of-alice)" 1 3
"$make" "$out/a" "$(scope_of key-two-of-bob)" 500 2

says 0 "^10 records in 1 segments" "$kvik" cache ls "$out/a"
json "ls" "d['records'], sorted((g['tenant'] == 'public', g['records'], g['tokens'], g['bytes']) for g in d['groups'])" \
	"(10, [(False, 2, 200, 10000), (False, 3, 300, 15000), (True, 5, 500, 25000)])" "$kvik" cache ls "$out/a"
json "ls of a tenant" "[g['records'] for g in d['groups']]" "[3]" kvik_cache ls "$out/a" --tenant alice
json "ls of a model" "len(d['groups'])" 0 "$kvik" cache ls "$out/a" --model ff
json "show" "[(r['start'], r['end'], r['pages'], r['windows'], r['states'], r['ids'][0]) for r in d]" \
	"[(0, 100, 1, 1, 0, 500), (100, 200, 1, 1, 0, 600)]" kvik_cache show "$out/a" --tenant bob
[ "$("$kvik" cache show "$out/a" --limit 4 | wc -l)" = 4 ] || fail "show --limit"
is "verify" "10 records are right; 0 damaged, 0 could not be read" "$kvik" cache verify "$out/a"

# to a folder with another secret, and there for another tenant; once more, nothing grows
json "export" "d['records'], d['skipped']" "(3, 0)" kvik_cache export "$out/a" "$out/file" --tenant alice
says 1 "File exists" kvik_cache export "$out/a" "$out/file" --tenant alice
[ "$(stat -c %a "$out/file")" = 600 ] || fail "mode of an export"
"$make" "$out/b" "$(scope_of key-of-carol)" 9000 1
json "import" "d['records'], d['skipped']" "(3, 0)" kvik_cache import "$out/b" "$out/file" --tenant dave
json "import again" "d['records']" 3 kvik_cache import "$out/b" "$out/file" --tenant dave
json "what came" "[(r['start'], r['ids'][99]) for r in d]" "[(0, 100), (100, 200), (200, 300)]" \
	kvik_cache show "$out/b" --tenant dave
"$make" "$out/b" "$(scope_of key-of-dave)" 1 3 # the same text, named by that folder itself: nothing new
json "the same names" "d['records']" 4 "$kvik" cache ls "$out/b"
is "verify" "4 records are right; 0 damaged, 0 could not be read" "$kvik" cache verify "$out/b"
size=$(stat -c %s "$out/file")
for cut in 0 63 64 100 1000 $((size - 1)); do
	head -c "$cut" "$out/file" >"$out/cut"
	[ "$cut" = 64 ] || says 1 "$out/cut: it " "$kvik" cache import "$out/b" "$out/cut"
done

# a purge takes what it says, and is for ever
says 2 "purge what" "$kvik" cache purge "$out/a"
says 0 "^3 records purged" kvik_cache purge "$out/a" --tenant alice
json "after it" "d['records']" 7 "$kvik" cache ls "$out/a"
tag=$("$kvik" cache show "$out/a" --json | python3 -c 'import json,sys; print([r["tenant"] for r in json.load(sys.stdin) if r["tenant"] != "public"][0])')
json "purge by a tag" "d['purged']" 2 "$kvik" cache purge "$out/a" --tag "$tag"
json "purge of a model" "d['purged']" 5 "$kvik" cache purge "$out/a" --model 00000000000000ab
json "after it" "d['records']" 0 "$kvik" cache ls "$out/a"

# damage is found, and told
printf x | dd of="$out/b/000000000001.data" bs=1 seek=4200 conv=notrunc 2>/dev/null
says 1 "1 damaged" "$kvik" cache verify "$out/b"

# sealed records need their key
openssl rand -hex 32 >"$out/key"
chmod 600 "$out/key"
KVIK_TEST_KEY="$out/key" "$make" "$out/c" 0 1 2
is "verify with the key" "2 records are right; 0 damaged, 0 could not be read" "$kvik" cache verify "$out/c" --key "$out/key"
says 1 "sealed with another key" "$kvik" cache verify "$out/c"

says 1 "No such file" "$kvik" cache ls "$out/nowhere"
says 2 "say what to do" "$kvik" cache
says 2 "takes DIR and FILE" "$kvik" cache export "$out/a"
says 2 "needs --keys" "$kvik" cache purge "$out/a" --tenant alice
says 2 "no key has the name" kvik_cache purge "$out/a" --tenant nobody
says 2 "has 2 keys" kvik_cache export "$out/a" "$out/bobs" --tenant bob
says 2 "one tenant" kvik_cache purge "$out/a" --tenant x --public
says 0 "wipes their bytes" "$kvik" cache --help
for action in "ls" "show" "verify --json"; do
	# shellcheck disable=SC2086
	"$kvik" cache $action "$out/c" --key "$out/key" >/dev/full 2>"$out/said" && fail "$action > /dev/full"
done
echo ok
