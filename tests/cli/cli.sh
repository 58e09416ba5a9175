#!/bin/sh
# The command line as a user meets it: tests/cli/cli.sh KVIK. Uses the tiny models of tests/model/data.
set -u
kvik=$1
model=tests/model/data/llama-gqa.gguf
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
passed=0
failed=0

# ok NAME COMMAND...: the command succeeds.
ok() {
	name=$1
	shift
	if "$@" >"$out/stdout" 2>"$out/stderr"; then
		passed=$((passed + 1))
		[ -s "$out/stdout" ] && cp "$out/stdout" "$out/said"
	else
		failed=$((failed + 1))
		echo "FAILED: $name: $*"
		cat "$out/stdout" "$out/stderr"
	fi
}
# says STATUS TEXT COMMAND...: the command ends with the status, and stderr has the text in one line.
says() {
	status=$1
	text=$2
	shift 2
	"$@" >"$out/stdout" 2>"$out/stderr"
	got=$?
	if [ $got = "$status" ] && grep -qF -- "$text" "$out/stderr" && [ "$(wc -l <"$out/stderr")" = 1 ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAILED: expected status $status and '$text', got $got: $*"
		cat "$out/stderr"
	fi
}
# What the last ok printed.
has() { grep -q "$1" "$out/said"; }

ok help "$kvik" help
for c in template run chat tokenize logits inspect plan perplexity; do
	ok "help of $c" "$kvik" $c --help
	ok "$c shows examples" has 'Examples:'
done
ok "help of bench" "$kvik" help bench
for kind in run kv trace; do
	ok "help of bench $kind" "$kvik" help bench $kind
	ok "bench $kind shows examples" has 'Examples:'
done
says 2 "no kind of benchmark" "$kvik" bench nonsense
ok version "$kvik" --version
says 2 "--max-tokens" "$kvik" run $model --max-token 3
says 2 'did you mean `kvik serve`' "$kvik" serv
says 2 "a command comes first" "$kvik" $model
says 2 "downloads nothing" "$kvik" pull llama3
says 2 "the model stands alone" "$kvik" serve -m $model
says 2 "the model stands alone" "$kvik" run --model=$model
says 2 "say --ctx N" "$kvik" serve --ctx-size 512
says 2 "say --ctx N" "$kvik" serve --max_model_len 512
says 2 "say --keys FILE" "$kvik" serve --api-key secret
says 2 "leave it out" "$kvik" chat -ngl 99
says 2 "unknown option --ctx-size" "$kvik" template --ctx-size 1
says 1 "hf download org/name" "$kvik" serve org/name
says 1 "no store of models" "$kvik" chat llama3.2:1b
says 2 "give --ids" "$kvik" run $model -p hello
says 2 "outside the vocabulary" "$kvik" run $model --ids 1,999999
says 2 "none of f32, f16" "$kvik" run $model --ids 1 --kv-dtype f8
says 2 "only one of" "$kvik" run $model --ids 1 -p x
says 2 "with a window" "$kvik" run $model --ids 1 --sinks 4
says 1 "No such file" "$kvik" run no/such/model.gguf --ids 1
says 1 "No such file" "$kvik" inspect no/such/model.gguf
says 2 "no level 'mmx'" env KVIK_CPU=mmx "$kvik" run $model --ids 1
says 2 "-o OUT.npy" "$kvik" logits $model --ids 1

# Chat templates: of a file, of a folder's configuration, of neither.
cat >"$out/t.jinja" <<'END'
{%- for m in messages %}<{{ m.role }}>{{ m.content | trim }}{% endfor %}{{ strftime_now("%Y") }}
{%- if strict is defined %}{{ raise_exception("roles must alternate") }}{% endif %}
END
mkdir "$out/templates"
echo '{"chat_template": [{"name": "default", "template": "D{{ messages|length }}"}, {"name": "tool_use", "template": "T"}]}' \
	>"$out/templates/tokenizer_config.json"
echo '{"messages": [{"role": "user", "content": " Grüße "}]}' >"$out/c.json"
echo '{"messages": [], "strict": true}' >"$out/strict.json"
ok template "$kvik" template "$out/t.jinja" --context "$out/c.json" --now 0
ok "template's text" has '^<user>Grüße1970$'
ok "template of a folder" "$kvik" template "$out/templates" --context "$out/c.json"
ok "the default one" has '^D1$'
ok "a named template" "$kvik" template "$out/templates" --name tool_use --context "$out/c.json"
ok "the named one" has '^T$'
says 1 "template line 2: roles must alternate" "$kvik" template "$out/t.jinja" --context "$out/strict.json"
says 1 "no chat template" "$kvik" template $model --context "$out/c.json"
says 2 "give --context" "$kvik" template "$out/t.jinja"
says 1 "No such file" "$kvik" template no/such/file.jinja --context "$out/c.json"

ok run "$kvik" run $model --ids 1,2,3 -n 4 --json --logprobs 2 --logits-hash
for key in prompt_ids ids text finish_reason logprobs timings kv logits_hash; do
	ok "json has $key" has "\"$key\":"
done
hash() { "$kvik" run $model --ids 1,2,3 -n 40 --ignore-end --logits-hash "$@" 2>&1 | sed -n 's/^logits-hash //p'; }
first=$(hash)
ok "a hash of 16 digits" test ${#first} = 16
for how in "--no-kv-cache" "--chunk 1" "--chunk 7" "--threads 1" "--ctx 64" "--kv-memory 1M"; do
	# shellcheck disable=SC2086
	ok "same bits with $how" test "$(hash $how)" = "$first"
done
ok "another dtype, other bits" test "$(hash --kv-dtype int8)" != "$first"
ok "the same bits of int8 without a cache" test "$(hash --kv-dtype int8,f16)" = "$(hash --kv-dtype int8,f16 --no-kv-cache)"

# A text in two runs is that of one.
ids() { "$kvik" run $model "$@" --ignore-end --json 2>/dev/null | sed 's/.*"ids":\[\([0-9,]*\)\].*/\1/; s/.*"ids":\[/,/'; }
whole=$(ids --ids 1,2,3 -n 12)
begun=$(ids --ids 1,2,3 -n 5 --save "$out/snapshot")
ok "a snapshot, and its owner's alone" test "$(stat -c %a "$out/snapshot")" = 600
ok "goes on from a snapshot" test "$begun,$(ids --restore "$out/snapshot" -n 7)" = "$whole"
ok "goes on with a prompt" test "$(ids --restore "$out/snapshot" --ids 4,5 -n 7)" = "$(ids --ids "1,2,3,$begun,4,5" -n 7)"
says 2 "another model" "$kvik" run $model --restore "$out/snapshot" -n 1 --kv-dtype int8
says 1 "it is no snapshot" "$kvik" run $model --restore $model -n 1
says 1 "No such file" "$kvik" run $model --restore "$out/none" -n 1

echo '1 2, 3' >"$out/ids"
ok logits "$kvik" logits $model --ids "@$out/ids" -o "$out/a.npy"
ok "logits in steps of one" "$kvik" logits $model --ids 1,2,3 --chunk 1 -o "$out/b.npy"
ok "logits without a cache" "$kvik" logits $model --ids 1,2,3 --no-kv-cache -o "$out/c.npy"
ok "the same file" cmp "$out/a.npy" "$out/b.npy"
ok "the same file" cmp "$out/a.npy" "$out/c.npy"
ok inspect "$kvik" inspect $model
ok "inspect as JSON" "$kvik" inspect $model --json
ok plan "$kvik" plan $model --ctx 64 --seqs 3 --kv-dtype f32,int8
ok "plan as JSON" "$kvik" plan --synthetic llama3-8b:q4_k_m --json
ok "synthetic" "$kvik" run --synthetic tiny:q8_0 --ids 1 -n 3 --json

ok "bench run" "$kvik" bench run --synthetic tiny:q8_0 --depth 0 --depth 64 --prompt 32 --seconds 0 --json --html "$out/run.html"
ok "its speed in JSON" has '"decode":[0-9.]*,.*"read_percent":'
ok "its page" grep -q "<svg" "$out/run.html"
says 1 "--html" "$kvik" bench run --html "$out/no/such/folder/x.html"
says 2 "no number of tokens" "$kvik" bench run --synthetic tiny:q8_0 --depth many
says 2 "give --depth" "$kvik" bench run --synthetic tiny:q8_0 --depth 8192

ok perplexity "$kvik" perplexity --ctx 128 --chunks 1 --seconds 0 --json --html "$out/quality.html"
for setting in f32 f16 int8 fp8 int4; do
	ok "perplexity of $setting" has "\"setting\":\"$setting\""
done
ok "its page" grep -q "<svg" "$out/quality.html"
ok "perplexity as text" "$kvik" perplexity $model --ids 1,2,3,4,5,6,7,8,9,10 --seconds 0.01 --window 4 --sinks 1
ok "a row for the window" has "^f16 window 4 + 1 .* [0-9]"
ok "exempt layers" "$kvik" perplexity --ctx 128 --chunks 1 --seconds 0 --kv-dtype int4 --kv-exempt first:1,last:1
ok "a row for them" has "^int4 exempt .* [0-9]"
says 2 "-f FILE" "$kvik" perplexity $model
says 2 "give a longer one" "$kvik" perplexity -p hi
says 2 "none of f32, f16" "$kvik" perplexity --ctx 8 --kv-dtype f8
says 2 "--window: '-5'" "$kvik" perplexity --window=-5
says 2 "--window N too" "$kvik" perplexity --sinks 4

ok "bench kv" "$kvik" bench kv --synthetic tiny-mixed:q8_0 --seconds 0.05 --ctx 1024 --json --html "$out/kv.html"
for part in cache pages dtypes prefix fork window all; do
	ok "bench kv measures $part" has "\"key\":\"$part\""
done
ok "its page needs nothing else" test -z "$(grep -oE 'https?:|src=|<script|<link|@import|url\(' "$out/kv.html")"
ok "its charts" test "$(grep -c '<svg' "$out/kv.html")" -ge 6
ok "recall" "$kvik" bench kv --quick --only recall --only dtypes --seconds 0.05
ok "a row for the window" has "^f16 window 256 + 4 "
says 2 "there are cache, pages" "$kvik" bench kv --only nonsense
says 2 "leave MODEL out" "$kvik" bench kv $model --only recall
says 2 "--ctx must be a number from 512" "$kvik" bench kv --ctx 12

printf '{"input_length": 100, "hash_ids": [1, 2]}\n%.0s' 1 2 3 >"$out/trace.jsonl"
ok "bench trace" "$kvik" bench trace "$out/trace.jsonl" --block 64 --memory 64M --memory 100% --json
ok "two of three prompts hit" has '66.6'
says 1 "is --block right" "$kvik" bench trace "$out/trace.jsonl"
ok "made-up conversations" "$kvik" bench trace --conversations 20 --memory 512M --disk 0 --disk 4G
says 2 "give the FILE of a trace" "$kvik" bench trace
says 2 "is no size" "$kvik" bench trace --conversations 20 --memory lots

# Ceilings beyond the machine, a context beyond the trained one: said with figures.
"$kvik" plan $model --ctx 100000000 --seqs 1000 >/dev/null 2>"$out/plan"
ok "plan warns of the context" grep -q "warning: a context of 100000000 tokens, and the model was trained for 64" "$out/plan"
ok "plan warns of the memory" grep -q "warning: all of it may take .*iB, and .* of memory are free here" "$out/plan"
"$kvik" plan $model >/dev/null 2>"$out/plan"
ok "and of nothing else" test ! -s "$out/plan"

# Quality is measured with f32 activations, unless asked otherwise; int8's rounding would hide what f16 costs.
ok "perplexity of int8 activations" "$kvik" perplexity --act int8 --ctx 128 --chunks 1 --seconds 0 --kv-dtype f16
ok "it says what hides" has "int8 activations, as asked for"

# Whatever a command prints: a full disk is an error, and a message.
for command in help "help run" "help --as bash" version "run --ids 1,2 -n 3" "run --ids 1,2 -n 3 --json" "tokenize -p x" "inspect" \
	"inspect --json" "plan" "plan --json" "logits --ids 1 -o -" "template ../kvik-none --help" \
	"perplexity --ctx 64 --chunks 1 --seconds 0 --kv-dtype f16" "bench run --seconds 0 --prompt 8 --depth 0 --json"; do
	# shellcheck disable=SC2086
	"$kvik" $command >/dev/full 2>"$out/full"
	status=$?
	ok "$command > /dev/full fails" test $status = 1
	ok "$command > /dev/full says why" grep -q "^kvik: .*\(No space left\|could not be written\)" "$out/full"
done

# A model that is no file: an error at once, not a wait for a writer.
mkfifo "$out/pipe"
for command in "run --ids 1" inspect plan tokenize; do
	# shellcheck disable=SC2086
	says 1 "is a pipe" timeout 10 "$kvik" $command "$out/pipe" </dev/null
	# shellcheck disable=SC2086
	says 1 "is a device" timeout 10 "$kvik" $command /dev/zero </dev/null
done
says 1 "neither model.safetensors" "$kvik" run "$out" --ids 1

# transformers writes int(1e30) where a tokenizer has no limit
cp -r tests/model/data/llama-gqa "$out/folder"
echo '{"model_max_length": 1000000000000000019884624838656}' >"$out/folder/tokenizer_config.json"
ok "a folder without a tokenizer" "$kvik" run "$out/folder" --ids 1,2,3 -n 3 --json
stories=../shared/models/tinystories-656k
if [ -e $stories ]; then
	for how in "--quantize q8_0" "--kv-dtype int8" ""; do
		# shellcheck disable=SC2086
		ok "a folder with a tokenizer" "$kvik" run $stories -p "Once upon a time" -n 40 $how
		ok "a story" has "Once upon a time\|there was\|little"
	done
fi

# Answers and texts of a given form.
printf 'root ::= "yes" | "no" " " [0-9]{2}\n' >"$out/yes.gbnf"
printf 'start: "yes" | "no" NUMBER\n%%import common.INT -> NUMBER\n%%ignore " "\n' >"$out/yes.lark"
echo '{"enum": ["a", 5]}' >"$out/a.json"
echo '{"unevaluatedItems": false}' >"$out/refused.json"
echo '{"format": {"type": "tag", "begin": "<a>", "content": {"type": "any_text"}, "end": "</a>"}}' >"$out/tag.json"
for form in "--grammar $out/yes.gbnf" "--grammar $out/yes.lark"; do
	# shellcheck disable=SC2086
	ok "run $form" "$kvik" run -q -p "Yes or no? " $form -n 20
	ok "run $form: the text" has '^\(yes\|no\)'
	# shellcheck disable=SC2086
	printf '"yes"\n"no 12"\n"nope"\n' | "$kvik" constrain $form >"$out/said" 2>"$out/stderr"
	ok "constrain $form" test "$(tr '\n' ' ' <"$out/said")" = "accept accept reject 2 "
done
ok "run --schema" "$kvik" run -q -p "JSON: " --schema "$out/a.json" -n 20
ok "run --schema: the text" has '^ *\("a"\|5\) *$'
ok "run --structural-tag" "$kvik" run -q -p "x" --structural-tag "$out/tag.json" -n 6
ok "run --structural-tag: the text" has '^<a>'
ok "chat --choice" sh -c "echo hi | '$kvik' chat -q --choice '[\"left\", \"right\"]'"
ok "chat --choice: the text" has '^left$\|^right$'
says 2 "/unevaluatedItems" "$kvik" constrain --schema "$out/refused.json" </dev/null
says 2 "give one of --schema" "$kvik" constrain --regex a --grammar "$out/yes.lark" </dev/null
says 2 "give one of --schema" "$kvik" constrain </dev/null
says 2 "line 1, column 1" "$kvik" constrain --grammar "$out/a.json" </dev/null

echo "$passed passed, $failed failed"
[ $failed = 0 ]
