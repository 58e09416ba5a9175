#!/bin/bash
# The manual page, the completions and the unit: whole, well formed, and the same as --help. tests/cli/manual.sh KVIK
# What a checker is missing for (groff, zsh, fish, systemd-analyze) is said and left out.
set -u
kvik=$(realpath "$1")
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
failed=0
bad() {
	echo "FAILED: $*"
	failed=1
}
have() { command -v "$1" >/dev/null || { echo "skipped: no $1 here"; false; }; }

for format in man bash zsh fish; do
	"$kvik" help --as $format >"$out/$format" || bad "help --as $format"
done
"$kvik" help --as troff >/dev/null 2>&1 && bad "an unknown format is taken"

# Every command and option that --help shows.
sed 's/\\-/-/g; s/\\f.//g' "$out/man" >"$out/man.plain"
commands=$("$kvik" help | sed -n 's/^  \([a-z]*\)  .*/\1/p')
kinds=$("$kvik" bench --help | sed -n 's/^  \([a-z]*\)  .*/bench \1/p')
[ -n "$commands" ] && [ -n "$kinds" ] || bad "no commands found"
while read -r command; do
	[ "$command" = bench ] && continue
	function=_kvik_${command// /_}
	grep -qF ".SS kvik $command" "$out/man" || bad "man: no $command"
	sed -n "/^$function()/,/^}/p" "$out/bash" >"$out/bash.one"
	sed -n "/^$function()/,/^}/p" "$out/zsh" >"$out/zsh.one"
	grep -F "'__kvik_after $command'" "$out/fish" >"$out/fish.one"
	# shellcheck disable=SC2086
	for option in $("$kvik" $command --help | grep -oE '^  (-., |    )--[a-z0-9-]+' | grep -oE -- '--[a-z0-9-]+'); do
		grep -qF -- "$option" "$out/man.plain" || bad "man: $command has no $option"
		grep -qF -- "$option " "$out/bash.one" || bad "bash: $command has no $option"
		grep -qF -- "$option[" "$out/zsh.one" || bad "zsh: $command has no $option"
		grep -qF -- "-l ${option#--} " "$out/fish.one" || bad "fish: $command has no $option"
	done
done <<<"$commands
$kinds"
grep -q help-as "$out"/{man,bash,zsh,fish} && bad "what is hidden is shown"

# bash completes as a person would see it.
offers() { # offers WORDS...: the last one is being typed
	bash -c '. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _kvik; echo "${COMPREPLY[@]}"' _ "$out/bash" "$@" 2>/dev/null
}
[ "$(offers kvik ch)" = chat ] || bad "bash: ch"
[ "$(offers kvik bench ru)" = run ] || bad "bash: bench ru"
[ "$(offers kvik run --act i)" = int8 ] || bad "bash: a choice"
[ "$(offers kvik run --logits-)" = --logits-hash ] || bad "bash: an option"
[ "$(offers kvik bench run --dep)" = --depth ] || bad "bash: an option of a kind"
[ "$(offers kvik run --file tests/cli/manual)" = tests/cli/manual.sh ] || bad "bash: a file"
[ -z "$(offers kvik run --top-k '')" ] || bad "bash: a number is offered"

have groff && { [ -z "$(groff -man -ww -Tutf8 "$out/man" 2>&1 >/dev/null)" ] || bad "groff warns"; }
have zsh && { zsh -n "$out/zsh" || bad "zsh: syntax"; }
if have fish; then
	fish -n "$out/fish" || bad "fish: syntax"
	offered=$(fish -c "source $out/fish; complete -C 'kvik run --act i'" | cut -f1)
	[ "$offered" = int8 ] || bad "fish: a choice: $offered"
	offered=$(fish -c "source $out/fish; complete -C 'kvik bench ru'" | cut -f1)
	[ "$offered" = run ] || bad "fish: a kind: $offered"
	fish -c "source $out/fish; complete -C 'kvik bench run --de'" | grep -q '^--depth' || bad "fish: an option of a kind"
fi
if have systemd-analyze; then
	mkdir "$out/unit" "$out/unit/man1"
	cp "$out/man" "$out/unit/man1/kvik.1"
	sed "s|@BINDIR@|$(dirname "$kvik")|" packaging/kvik.service.in >"$out/unit/kvik.service"
	said=$(MANPATH=$out/unit systemd-analyze verify "$out/unit/kvik.service" 2>&1) || bad "systemd-analyze: $said"
	level=$(systemd-analyze security --offline=yes "$out/unit/kvik.service" 2>/dev/null | sed -n 's/.*Overall exposure.*: \([0-9]*\)\..*/\1/p')
	[ "${level:-0}" -lt 2 ] || bad "the unit's exposure is $level"
fi
[ $failed = 0 ] && echo passed
exit $failed
