/* test_source.c: whole models on disk: GGUF in one file and in parts, Hugging Face folders in one file and sharded;
 * every way in which their files can contradict each other; the real models of ../shared. */
#include "make.h"

#include "base/mem.h"
#include "format/source.h"
#include "model/arch.h"
#include "model/model.h"

/* ---- A small llama as GGUF --------------------------------------------------------------------------------------- */

enum { DIM = 8, VOCAB = 4, EMBEDDING_BYTES = DIM * VOCAB * 4 };

static void put_hparams(struct buf *b, uint32_t dim)
{
	put_key_str(b, "general.architecture", "llama");
	put_key_u32(b, "llama.block_count", 1);
	put_key_u32(b, "llama.embedding_length", dim);
	put_key_u32(b, "llama.feed_forward_length", 16);
	put_key_u32(b, "llama.context_length", 64);
	put_key_u32(b, "llama.attention.head_count", 2);
	put_key_u32(b, "llama.attention.head_count_kv", 1);
	put_key_f32(b, "llama.attention.layer_norm_rms_epsilon", 1e-5f);
}
enum { HPARAMS_KEYS = 8 };

/* key, value: one more key (u32), or NULL. */
static void make_gguf(struct buf *b, const char *key, uint32_t value)
{
	put_head(b, 3, 2, HPARAMS_KEYS + (key ? 1 : 0));
	put_hparams(b, DIM);
	if (key)
		put_key_u32(b, key, value);
	put_tensor(b, "token_embd.weight", 0, DIM, VOCAB, 0);
	put_tensor(b, "output_norm.weight", 0, DIM, 0, EMBEDDING_BYTES);
	put_data(b, EMBEDDING_BYTES + DIM * 4);
}

/* Opens and reads everything that a user of the room reads. */
static int read_memory(const uint8_t *data, size_t n, struct hparams *h, struct kvik_err *err)
{
	struct source *s;
	uint8_t *copy = malloc(n ? n : 1);
	memcpy(copy, data, n);
	int rc = source_open_memory(&s, copy, n, "m.gguf", err);
	if (!rc)
		rc = arch_hparams(s, h, err);
	source_free(s);
	free(copy);
	return rc;
}

static void gguf_hparams_are_read(void **state)
{
	(void)state;
	struct buf b;
	struct hparams h;
	make_gguf(&b, NULL, 0);
	assert_int_equal(read_memory(b.data, b.n, &h, NULL), 0);
	const struct layer_spec *l = &h.layers[0];
	assert_true(strcmp(h.arch->name, "llama") == 0 && h.n_layers == 1 && h.dim == DIM);
	assert_true(l->attention.heads == 2 && l->attention.kv_heads == 1 && l->attention.head_dim == 4);
	assert_true(h.ropes[0].dim == 4 && l->ffn.dim == 16 && h.n_vocab == VOCAB && h.context == 64);
	assert_true(h.rms_eps == 1e-5f && h.ropes[0].theta == 10000 && h.tied && h.qk_permuted);
	assert_int_equal(l->attention.window, 0);
	make_gguf(&b, "llama.attention.sliding_window", 32);
	assert_int_equal(read_memory(b.data, b.n, &h, NULL), 0);
	assert_int_equal(l->attention.window, 32);
	make_gguf(&b, "llama.attention.key_length", 6);
	assert_int_equal(read_memory(b.data, b.n, &h, NULL), 0);
	assert_int_equal(l->attention.head_dim, 6);
	struct source *s;
	make_gguf(&b, "general.sampling.top_k", 20);
	assert_int_equal(source_open_memory(&s, b.data, b.n, "m.gguf", NULL), 0);
	assert_int_equal(source_generation(s)->given, GENERATION_TOP_K);
	source_free(s);
}

/* A factor is linear unless a type says otherwise; 0 is how some converters write that there is none. */
static void gguf_rope_scaling_is_read(void **state)
{
	(void)state;
	static const struct {
		const char *key, *type;
		float factor;
		enum rope_rule rule;
	} cases[] = {
		{"llama.rope.scaling.factor", NULL, 4, ROPE_LINEAR},
		{"llama.rope.scale_linear", NULL, 4, ROPE_LINEAR},
		{"llama.rope.scaling.factor", "linear", 4, ROPE_LINEAR},
		{"llama.rope.scaling.factor", "yarn", 4, ROPE_YARN},
		{"llama.rope.scaling.factor", "none", 4, ROPE_PLAIN},
		{"llama.rope.scale_linear", "none", 4, ROPE_PLAIN},
		{"llama.rope.scaling.factor", NULL, 1, ROPE_PLAIN},
		{"llama.rope.scaling.factor", NULL, 0, ROPE_PLAIN},
		{"llama.rope.scale_linear", "linear", 0, ROPE_PLAIN},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct buf b;
		struct hparams h;
		put_head(&b, 3, 1, HPARAMS_KEYS + 1 + (cases[i].type != NULL));
		put_hparams(&b, DIM);
		put_key_f32(&b, cases[i].key, cases[i].factor);
		if (cases[i].type)
			put_key_str(&b, "llama.rope.scaling.type", cases[i].type);
		put_tensor(&b, "token_embd.weight", 0, DIM, VOCAB, 0);
		put_data(&b, EMBEDDING_BYTES);
		assert_int_equal(read_memory(b.data, b.n, &h, NULL), 0);
		if (h.ropes[0].rule != cases[i].rule || (h.ropes[0].rule != ROPE_PLAIN && h.ropes[0].factor != 4))
			fail_msg("case %zu: scaling %d, factor %g", i, h.ropes[0].rule, (double)h.ropes[0].factor);
	}
}

static void must_fail(const struct buf *b, int code, const char *says)
{
	struct hparams h;
	struct kvik_err err = {.text = "no error"};
	int rc = read_memory(b->data, b->n, &h, &err);
	if (rc != code || !strstr(err.text, says) || strncmp(err.text, "m.gguf: ", 8) != 0)
		fail_msg("got %d, '%s'; wanted %d, '%s'", rc, err.text, code, says);
}

static void gguf_contradictions_are_named(void **state)
{
	(void)state;
	static const struct {
		const char *key;
		uint32_t value;
		int code;
		const char *says;
	} cases[] = {
		{"llama.expert_shared_count", 8, KVIK_ERR_UNSUPPORTED,
		 "'llama.expert_shared_count' asks for something"},
		{"llama.attention.key_length", 0, KVIK_ERR_FORMAT, "the head dimension is 0"},
		{"llama.attention.key_length", UINT32_MAX, KVIK_ERR_FORMAT, "the head dimension is"},
		{"llama.attention.value_length", 6, KVIK_ERR_UNSUPPORTED, "is not that of the keys"},
		{"llama.rope.dimension_count", 3, KVIK_ERR_FORMAT, "must be even"},
		{"llama.rope.dimension_count", 6, KVIK_ERR_FORMAT, "rotated dimensions is 6"},
		{"llama.rope.freq_base", 0, KVIK_ERR_FORMAT, "rope theta is 0"},
		{"llama.rope.scaling.type", 3, KVIK_ERR_FORMAT, "'llama.rope.scaling.type' is not a string"},
	};
	struct buf b;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		make_gguf(&b, cases[i].key, cases[i].value);
		must_fail(&b, cases[i].code, cases[i].says);
	}
	put_head(&b, 3, 1, HPARAMS_KEYS);
	put_hparams(&b, 16);
	put_tensor(&b, "token_embd.weight", 0, DIM, VOCAB, 0);
	put_data(&b, EMBEDDING_BYTES);
	must_fail(&b, KVIK_ERR_FORMAT, "'token_embd.weight' has 4 rows of 8, but the hyperparameters say");
	put_head(&b, 3, 0, HPARAMS_KEYS);
	put_hparams(&b, 8);
	must_fail(&b, KVIK_ERR_FORMAT, "'token_embd.weight' is missing");
	put_head(&b, 3, 0, HPARAMS_KEYS);
	put_hparams(&b, 9);
	must_fail(&b, KVIK_ERR_FORMAT, "the attention heads do not divide the hidden size");
	put_head(&b, 3, 0, 0);
	must_fail(&b, KVIK_ERR_FORMAT, "'general.architecture' is missing");
	put_head(&b, 3, 0, 1);
	put_key_str(&b, "general.architecture", "gemma9");
	must_fail(&b, KVIK_ERR_UNSUPPORTED, "its architecture is 'gemma9'");
	put_head(&b, 3, 0, 1);
	put_key_u32(&b, "general.architecture", 3);
	must_fail(&b, KVIK_ERR_FORMAT, "'general.architecture' is not a string");
}

static void tokens_have_rows(void **state)
{
	(void)state;
	struct buf b;
	put_head(&b, 3, 1, HPARAMS_KEYS + 1);
	put_hparams(&b, DIM);
	put_key_array(&b, "tokenizer.ggml.tokens", 8, VOCAB + 1);
	for (int i = 0; i <= VOCAB; i++)
		put_str(&b, "x");
	put_tensor(&b, "token_embd.weight", 0, DIM, VOCAB, 0);
	put_data(&b, EMBEDDING_BYTES);
	must_fail(&b, KVIK_ERR_FORMAT, "'tokenizer.ggml.tokens' has 5 tokens, but 'token_embd.weight' only 4 rows");
}

static void names_fit_and_hold_no_nul(void **state)
{
	(void)state;
	struct buf b;
	char name[SOURCE_NAME_MAX + 1];
	memset(name, 'x', sizeof name);
	name[SOURCE_NAME_MAX] = '\0';
	put_head(&b, 3, 1, 0);
	put_tensor(&b, name, 0, DIM, 0, 0);
	put_data(&b, DIM * 4);
	must_fail(&b, KVIK_ERR_FORMAT, "name is empty or longer than 95 bytes");
	put_head(&b, 3, 1, 0);
	put_tensor(&b, "", 0, DIM, 0, 0);
	put_data(&b, DIM * 4);
	must_fail(&b, KVIK_ERR_FORMAT, "name is empty");
}

static void damaged_gguf_does_no_harm(void **state)
{
	(void)state;
	struct buf b;
	struct hparams h;
	make_gguf(&b, "llama.rope.dimension_count", 4);
	for (size_t n = 0; n < b.n; n++)
		assert_true(read_memory(b.data, n, &h, NULL) < 0);
	for (size_t i = 0; i < b.n - EMBEDDING_BYTES; i++)
		for (int v = 0; v < 256; v += 3) {
			uint8_t old = b.data[i];
			b.data[i] = (uint8_t)v;
			(void)!read_memory(b.data, b.n, &h, NULL);
			b.data[i] = old;
		}
}

/* ---- Parts ------------------------------------------------------------------------------------------------------- */

#define PART_1 "m-00001-of-00003.gguf"
#define PART_2 "m-00002-of-00003.gguf"
#define PART_3 "m-00003-of-00003.gguf"
static const char *const part_names[] = {PART_1, PART_2, PART_3, "m.gguf", NULL};

static void put_split(struct buf *b, uint32_t no, uint32_t count, uint32_t tensors)
{
	put_key_u32(b, "split.no", no);
	put_key_u32(b, "split.count", count);
	put_key_u32(b, "split.tensors.count", tensors);
}

/* Part no (from 0) with one tensor; the first part also has the hyperparameters. */
static void write_part(const struct folder *f, const char *file, uint32_t no, uint32_t count, uint32_t tensors,
		       const char *tensor)
{
	struct buf b;
	put_head(&b, 3, 1, 3 + (no == 0 ? HPARAMS_KEYS : 0));
	put_split(&b, no, count, tensors);
	if (no == 0)
		put_hparams(&b, DIM);
	put_tensor(&b, tensor, 0, DIM, VOCAB, 0);
	put_data(&b, EMBEDDING_BYTES);
	folder_write(f, file, b.data, b.n);
}

static void write_parts(const struct folder *f)
{
	write_part(f, PART_1, 0, 3, 3, "a");
	write_part(f, PART_2, 1, 3, 3, "token_embd.weight");
	write_part(f, PART_3, 2, 3, 3, "b");
}

static void path_must_fail(const struct folder *f, const char *file, int code, const char *says)
{
	char path[256];
	struct source *s;
	struct kvik_err err = {.text = "no error"};
	struct hparams h;
	folder_path(f, file, path);
	int rc = source_open(&s, path, &err);
	if (!rc)
		rc = arch_hparams(s, &h, &err);
	source_free(s);
	if (rc != code || !strstr(err.text, says) || !strstr(err.text, f->path))
		fail_msg("got %d, '%s'; wanted %d, '%s'", rc, err.text, code, says);
}

static void parts_are_one_model(void **state)
{
	(void)state;
	struct folder f = folder_new();
	char path[256];
	struct source *s;
	struct hparams h;
	struct kvik_err err;
	write_parts(&f);
	folder_path(&f, PART_1, path);
	if (source_open(&s, path, &err) != 0)
		fail_msg("%s", err.text);
	assert_int_equal(source_count(s), 3);
	assert_int_equal(arch_hparams(s, &h, &err), 0);
	const struct source_tensor *t = source_find(s, "b");
	assert_true(t && t->bytes == EMBEDDING_BYTES && t->data[5] == 5);
	assert_null(source_find(s, "c"));
	assert_string_equal(source_at(s, 1)->name, "token_embd.weight");
	assert_non_null(source_gguf(s));
	assert_string_equal(source_name(s), path);
	source_drop(s, t);
	assert_int_equal(t->data[5], 5); /* what was dropped is read again */
	source_free(s);
	folder_free(&f, part_names);
}

static void parts_that_do_not_fit_are_named(void **state)
{
	(void)state;
	struct folder f = folder_new();
	write_parts(&f);
	path_must_fail(&f, PART_2, KVIK_ERR_ARG, "is part 2 of a split model; give its first part");
	folder_remove(&f, PART_3);
	path_must_fail(&f, PART_1, KVIK_ERR_IO, PART_3 ": cannot open");
	write_part(&f, PART_3, 1, 3, 3, "b");
	path_must_fail(&f, PART_1, KVIK_ERR_FORMAT, PART_3 ": says it is part 2 of 3");
	write_part(&f, PART_3, 2, 4, 3, "b");
	path_must_fail(&f, PART_1, KVIK_ERR_FORMAT, "says it is part 3 of 4");
	write_part(&f, PART_3, 2, 3, 3, "a");
	path_must_fail(&f, PART_1, KVIK_ERR_FORMAT, "tensor 'a' occurs twice");
	write_part(&f, PART_3, 2, 3, 3, "b");
	write_part(&f, PART_1, 0, 3, 4, "a");
	path_must_fail(&f, PART_1, KVIK_ERR_FORMAT, "4 tensors announced, but the parts hold 3");
	write_part(&f, PART_1, 0, 5000, 3, "a");
	path_must_fail(&f, PART_1, KVIK_ERR_LIMIT, "5000 parts");
	write_part(&f, "m.gguf", 0, 3, 3, "a");
	path_must_fail(&f, "m.gguf", KVIK_ERR_FORMAT, "must end in '-00001-of-00003.gguf'");
	folder_write(&f, PART_3, "GGUF", 4);
	write_part(&f, PART_1, 0, 3, 3, "a");
	path_must_fail(&f, PART_1, KVIK_ERR_FORMAT, PART_3 ": GGUF ends early");
	path_must_fail(&f, "absent.gguf", KVIK_ERR_IO, "cannot open");
	folder_write(&f, "m.gguf", "", 0);
	path_must_fail(&f, "m.gguf", KVIK_ERR_FORMAT, "not a GGUF file");
	folder_free(&f, part_names);
}

/* ---- Hugging Face folders ---------------------------------------------------------------------------------------- */

static const char *const hf_names[] = {"config.json",
				       "generation_config.json",
				       "model.safetensors",
				       "model.safetensors.index.json",
				       "model-00001-of-00002.safetensors",
				       "model-00002-of-00002.safetensors",
				       NULL};
static const char config[] = "{'model_type':'llama','hidden_size':8,'num_hidden_layers':1,'num_attention_heads':2,"
			     "'intermediate_size':16,'vocab_size':4,'eos_token_id':2}";

/* A file with one F32 matrix [VOCAB, DIM] and one vector [DIM]. */
static void write_safetensors(const struct folder *f, const char *file, const char *matrix, const char *vector)
{
	struct buf b = {0};
	char json[512];
	snprintf(json, sizeof json,
		 "{'%s':{'dtype':'F32','shape':[%d,%d],'data_offsets':[0,%d]},"
		 "'%s':{'dtype':'BF16','shape':[%d],'data_offsets':[%d,%d]}}",
		 matrix, VOCAB, DIM, EMBEDDING_BYTES, vector, DIM, EMBEDDING_BYTES, EMBEDDING_BYTES + 2 * DIM);
	char *text = quoted(json);
	put_u64(&b, strlen(text));
	put(&b, text, strlen(text));
	for (int i = 0; i < EMBEDDING_BYTES + 2 * DIM; i++)
		put(&b, &(uint8_t){(uint8_t)i}, 1);
	folder_write(f, file, b.data, b.n);
	free(text);
}

static struct source *open_folder(const struct folder *f, struct hparams *h)
{
	struct source *s;
	struct kvik_err err;
	if (source_open(&s, f->path, &err) != 0 || arch_hparams(s, h, &err) != 0)
		fail_msg("%s", err.text);
	return s;
}

static void a_folder_is_a_model(void **state)
{
	(void)state;
	struct folder f = folder_new();
	struct hparams h;
	const uint32_t *ends;
	folder_write_json(&f, "config.json", config);
	write_safetensors(&f, "model.safetensors", "model.embed_tokens.weight",
			  "model.layers.0.input_layernorm.weight");
	struct source *s = open_folder(&f, &h);
	assert_true(strcmp(h.arch->name, "llama") == 0 && h.n_vocab == VOCAB && h.tied && !h.qk_permuted);
	const struct source_tensor *t = source_find(s, "model.embed_tokens.weight");
	assert_ptr_equal(t, arch_embedding(s, &h));
	assert_true(t && t->type == WTYPE_F32 && t->n_dims == 2 && t->dims[0] == DIM && t->dims[1] == VOCAB);
	t = source_find(s, "model.layers.0.input_layernorm.weight");
	assert_true(t && t->type == WTYPE_BF16 && t->n_dims == 1 && t->dims[0] == DIM && t->dims[1] == 1);
	assert_int_equal(t->data[0], EMBEDDING_BYTES);
	assert_int_equal(source_ends(s, &ends), 1);
	assert_int_equal(ends[0], 2);
	assert_string_equal(source_dir(s), f.path);
	assert_null(source_gguf(s));
	source_free(s);
	folder_write_json(&f, "generation_config.json", "{'eos_token_id':[2,1,3],'top_k':7,'num_beams':2}");
	s = open_folder(&f, &h);
	assert_int_equal(source_ends(s, &ends), 3);
	assert_int_equal(ends[2], 3);
	assert_int_equal(source_generation(s)->top_k, 7);
	assert_non_null(strstr(warn_at(source_warnings(s), 0), "generation_config.json: 'num_beams' is set"));
	source_free(s);
	folder_free(&f, hf_names);
}

/* Tensors of bytes, as their header says. */
static void write_bytes(const struct folder *f, const char *header, int n)
{
	struct buf b = {0};
	char *text = quoted(header);
	put_u64(&b, strlen(text));
	put(&b, text, strlen(text));
	for (int i = 0; i < n; i++)
		put(&b, &(uint8_t){(uint8_t)i}, 1);
	folder_write(f, "model.safetensors", b.data, b.n);
	free(text);
}

/* MXFP4 of a checkpoint: blocks and scales are one tensor; what else is of bytes, or does not fit, is an error. */
static void bytes_are_mxfp4(void **state)
{
	(void)state;
	static const struct {
		const char *header;
		int bytes, code;
		const char *says;
	} wrong[] = {
		{"{'x':{'dtype':'U8','shape':[2],'data_offsets':[0,2]}}", 2, KVIK_ERR_UNSUPPORTED, "'x' has dtype U8"},
		{"{'x_blocks':{'dtype':'U8','shape':[2,1,16],'data_offsets':[0,32]}}", 32, KVIK_ERR_UNSUPPORTED,
		 "'x_blocks' has dtype U8"},
		{"{'x_scales':{'dtype':'U8','shape':[2,1],'data_offsets':[0,2]}}", 2, KVIK_ERR_FORMAT,
		 "scales of MXFP4 without their blocks"},
		{"{'x_blocks':{'dtype':'U8','shape':[2,1,16],'data_offsets':[0,32]},"
		 "'x_scales':{'dtype':'U8','shape':[1,2],'data_offsets':[32,34]}}",
		 34, KVIK_ERR_FORMAT, "'x_blocks' does not have 16 bytes for each of 'x_scales'"},
		{"{'x_blocks':{'dtype':'U8','shape':[2,1,8],'data_offsets':[0,16]},"
		 "'x_scales':{'dtype':'U8','shape':[2,1],'data_offsets':[16,18]}}",
		 18, KVIK_ERR_FORMAT, "'x_blocks' does not have 16 bytes"},
	};
	struct folder f = folder_new();
	struct kvik_err err;
	struct source *s;
	folder_write_json(&f, "config.json", config);
	write_bytes(&f,
		    "{'a':{'dtype':'BF16','shape':[3],'data_offsets':[0,6]},"
		    "'x_blocks':{'dtype':'U8','shape':[3,2,1,16],'data_offsets':[6,102]},"
		    "'x_scales':{'dtype':'U8','shape':[3,2,1],'data_offsets':[102,108]}}",
		    108);
	assert_int_equal(source_open(&s, f.path, &err), 0);
	const struct source_tensor *t = source_find(s, "x");
	assert_true(source_count(s) == 2 && source_find(s, "a") && !source_find(s, "x_scales"));
	assert_true(t && t->type == WTYPE_MXFP4 && t->dims[0] == 32 && t->dims[1] == 2 && t->dims[2] == 3);
	assert_true(t->data[0] == 6 && t->exponents[0] == 102);
	source_free(s);
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		write_bytes(&f, wrong[i].header, wrong[i].bytes);
		assert_int_equal(source_open(&s, f.path, &err), wrong[i].code);
		if (!strstr(err.text, wrong[i].says))
			fail_msg("'%s', not '%s'", err.text, wrong[i].says);
	}
	/* an embedding in MXFP4 is refused, not read beyond its end */
	write_bytes(&f,
		    "{'model.embed_tokens.weight_blocks':{'dtype':'U8','shape':[4,1,16],'data_offsets':[0,64]},"
		    "'model.embed_tokens.weight_scales':{'dtype':'U8','shape':[4,1],'data_offsets':[64,68]}}",
		    68);
	folder_write_json(&f, "config.json",
			  "{'model_type':'llama','hidden_size':32,'num_hidden_layers':1,'num_attention_heads':2,"
			  "'intermediate_size':16,'vocab_size':4,'tie_word_embeddings':true}");
	struct hparams h;
	uint64_t bytes;
	struct model_params p = {.quantize = -1};
	assert_int_equal(source_open(&s, f.path, &err), 0);
	assert_int_equal(arch_hparams(s, &h, &err), 0);
	assert_int_equal(model_measure(&bytes, &backend_cpu, s, &h, &p, &err), KVIK_ERR_UNSUPPORTED);
	assert_non_null(strstr(err.text, "is MXFP4"));
	source_free(s);
	folder_free(&f, hf_names);
}

static void an_lm_head_is_used_unless_tied(void **state)
{
	(void)state;
	struct folder f = folder_new();
	struct hparams h;
	folder_write_json(&f, "config.json", config);
	folder_write_json(&f, "model.safetensors.index.json",
			  "{'metadata':{},'weight_map':{'model.embed_tokens.weight':'model-00001-of-00002.safetensors',"
			  "'lm_head.weight':'model-00002-of-00002.safetensors',"
			  "'model.norm.weight':'model-00001-of-00002.safetensors'}}");
	write_safetensors(&f, "model-00001-of-00002.safetensors", "model.embed_tokens.weight", "model.norm.weight");
	write_safetensors(&f, "model-00002-of-00002.safetensors", "lm_head.weight", "x");
	struct source *s = open_folder(&f, &h);
	assert_int_equal(source_count(s), 4);
	assert_false(h.tied);
	assert_non_null(source_find(s, "lm_head.weight"));
	source_free(s);
	folder_free(&f, hf_names);
}

static void an_index_must_find_all_its_tensors(void **state)
{
	(void)state;
	struct folder f = folder_new();
	folder_write_json(&f, "config.json", config);
	folder_write_json(&f, "model.safetensors.index.json",
			  "{'weight_map':{'model.embed_tokens.weight':'model-00001-of-00002.safetensors',"
			  "'model.layers.0.self_attn.q_proj.weight':'model-00001-of-00002.safetensors',"
			  "'model.layers.0.self_attn.rotary_emb.inv_freq':'model-00001-of-00002.safetensors'}}");
	write_safetensors(&f, "model-00001-of-00002.safetensors", "model.embed_tokens.weight", "model.norm.weight");
	path_must_fail(&f, "", KVIK_ERR_FORMAT,
		       "tensor 'model.layers.0.self_attn.q_proj.weight' should be in model-00001-of-00002.safetensors, "
		       "but is in no file");
	folder_free(&f, hf_names);
}

/* Adapters and projectors are GGUF files, too. */
static void what_is_no_model_is_named(void **state)
{
	(void)state;
	struct buf b;
	put_head(&b, 3, 0, HPARAMS_KEYS + 1);
	put_hparams(&b, DIM);
	put_key_str(&b, "general.type", "adapter");
	must_fail(&b, KVIK_ERR_UNSUPPORTED, "'general.type' is 'adapter': this is no model");

	struct source *s;
	put_head(&b, 3, 0, HPARAMS_KEYS + 1);
	put_hparams(&b, DIM);
	put_key_str(&b, "general.type", "model");
	assert_int_equal(source_open_memory(&s, b.data, b.n, "m.gguf", NULL), 0);
	source_free(s);
}

static void of_tied_matrices_either_may_be_there(void **state)
{
	(void)state;
	struct folder f = folder_new();
	struct hparams h;
	folder_write_json(&f, "config.json", config);
	write_safetensors(&f, "model.safetensors", "lm_head.weight", "model.norm.weight");
	struct source *s = open_folder(&f, &h);
	assert_true(h.tied);
	assert_string_equal(arch_embedding(s, &h)->name, "lm_head.weight");
	source_free(s);
	folder_write_json(&f, "config.json",
			  "{'model_type':'llama','hidden_size':8,'num_hidden_layers':1,'num_attention_heads':2,"
			  "'intermediate_size':16,'vocab_size':4,'tie_word_embeddings':false}");
	path_must_fail(&f, "", KVIK_ERR_FORMAT, "'token_embd.weight' is missing");
	folder_free(&f, hf_names);
}

/* As in HF Transformers 5: a configuration that ties two different matrices is wrong. */
static void an_lm_head_of_its_own_is_not_tied(void **state)
{
	(void)state;
	struct folder f = folder_new();
	struct hparams h;
	char tied[256];
	snprintf(tied, sizeof tied, "%.*s,'tie_word_embeddings':true}", (int)strlen(config) - 1, config);
	folder_write_json(&f, "config.json", tied);
	for (unsigned flip = 0; flip < 2; flip++) {
		struct buf b = {0};
		char json[256];
		snprintf(json, sizeof json,
			 "{'model.embed_tokens.weight':{'dtype':'F32','shape':[%d,%d],'data_offsets':[0,%d]},"
			 "'lm_head.weight':{'dtype':'F32','shape':[%d,%d],'data_offsets':[%d,%d]}}",
			 VOCAB, DIM, EMBEDDING_BYTES, VOCAB, DIM, EMBEDDING_BYTES, 2 * EMBEDDING_BYTES);
		char *text = quoted(json);
		put_u64(&b, strlen(text));
		put(&b, text, strlen(text));
		for (int i = 0; i < 2 * EMBEDDING_BYTES; i++)
			put(&b, &(uint8_t){(uint8_t)(i % EMBEDDING_BYTES)}, 1);
		b.data[b.n - 1] ^= (uint8_t)flip;
		folder_write(&f, "model.safetensors", b.data, b.n);
		free(text);
		struct source *s = open_folder(&f, &h);
		assert_int_equal(h.tied, !flip);
		assert_int_equal(h.untied, flip);
		assert_non_null(source_find(s, "lm_head.weight"));
		source_free(s);
	}
	folder_free(&f, hf_names);
}

static void folders_that_do_not_fit_are_named(void **state)
{
	(void)state;
	static const char part[] = "model-00001-of-00002.safetensors";
	struct folder f = folder_new();
	path_must_fail(&f, "", KVIK_ERR_IO, "has neither model.safetensors nor model.safetensors.index.json");
	write_safetensors(&f, "model.safetensors", "model.embed_tokens.weight", "model.norm.weight");
	path_must_fail(&f, "", KVIK_ERR_IO, "config.json: cannot open");
	folder_write_json(&f, "config.json", "{'model_type':'llama'}");
	path_must_fail(&f, "", KVIK_ERR_FORMAT, "config.json: 'hidden_size' is missing");
	folder_write_json(&f, "config.json",
			  "{'model_type':'llama','hidden_size':8,'num_hidden_layers':1,'num_attention_heads':2,"
			  "'intermediate_size':16,'vocab_size':5}");
	path_must_fail(&f, "", KVIK_ERR_FORMAT, "has 4 rows of 8, but the hyperparameters say a vocabulary of 5");
	folder_write_json(&f, "config.json", config);
	folder_write_json(&f, "generation_config.json", "{'eos_token_id':'x'}");
	path_must_fail(&f, "", KVIK_ERR_FORMAT, "generation_config.json: 'eos_token_id'");
	folder_write_json(&f, "generation_config.json", "{");
	path_must_fail(&f, "", KVIK_ERR_FORMAT, "generation_config.json: not JSON");
	folder_remove(&f, "generation_config.json");
	write_safetensors(&f, "model.safetensors", "a", "b");
	path_must_fail(&f, "", KVIK_ERR_FORMAT, "'token_embd.weight' is missing");
	folder_remove(&f, "model.safetensors");
	folder_write_json(&f, "model.safetensors.index.json", "{'weight_map':{'a':'../a.safetensors'}}");
	path_must_fail(&f, "", KVIK_ERR_FORMAT, "tensor 'a' is not mapped to a file of this folder");
	folder_write_json(&f, "model.safetensors.index.json", "{'weight_map':{'a':7}}");
	path_must_fail(&f, "", KVIK_ERR_FORMAT, "tensor 'a' is not mapped to a file of this folder");
	folder_write_json(&f, "model.safetensors.index.json", "{'weight_map':{}}");
	path_must_fail(&f, "", KVIK_ERR_FORMAT, "'weight_map' is missing, empty or no object");
	folder_write_json(&f, "model.safetensors.index.json", "[]");
	path_must_fail(&f, "", KVIK_ERR_FORMAT, "index.json: not a JSON object");
	folder_write_json(&f, "model.safetensors.index.json",
			  "{'weight_map':{'a':'model-00001-of-00002.safetensors'}}");
	path_must_fail(&f, "", KVIK_ERR_IO, "model-00001-of-00002.safetensors: cannot open");
	folder_write(&f, part, "", 0);
	path_must_fail(&f, "", KVIK_ERR_FORMAT, "model-00001-of-00002.safetensors: too short");
	folder_free(&f, hf_names);
}

/* ---- Torture ----------------------------------------------------------------------------------------------------- */

static void fail_each_allocation(const char *path)
{
	for (long i = 1;; i++) {
		struct source *s;
		mem_fail_at(i);
		int rc = source_open(&s, path, NULL);
		mem_fail_at(0);
		source_free(s);
		if (rc == 0)
			break;
		assert_int_equal(rc, KVIK_ERR_NOMEM);
		assert_in_range(i, 1, 100);
	}
}

static void every_allocation_may_fail(void **state)
{
	(void)state;
	struct folder f = folder_new(), g = folder_new();
	char path[256];
	write_parts(&f);
	folder_path(&f, PART_1, path);
	fail_each_allocation(path);
	folder_write_json(&g, "config.json", config);
	folder_write_json(&g, "generation_config.json", "{'eos_token_id':[2,1,3]}");
	write_safetensors(&g, "model-00001-of-00002.safetensors", "model.embed_tokens.weight", "x");
	folder_write_json(&g, "model.safetensors.index.json",
			  "{'weight_map':{'x':'model-00001-of-00002.safetensors'}}");
	fail_each_allocation(g.path);
	folder_free(&f, part_names);
	folder_free(&g, hf_names);
}

/* ---- Real models ------------------------------------------------------------------------------------------------- */

static void open_real(const char *path, uint32_t layers)
{
	struct source *s;
	struct hparams h;
	struct kvik_err err;
	if (access(path, R_OK) != 0) {
		print_message("skipped: %s is not here\n", path);
		skip();
	}
	if (source_open(&s, path, &err) != 0 || arch_hparams(s, &h, &err) != 0)
		fail_msg("%s", err.text);
	assert_true(strcmp(h.arch->name, "llama") == 0 && h.n_layers == layers);
	source_free(s);
}

static void real_models_open(void **state)
{
	(void)state;
	open_real("../shared/models/stories260K/stories260K.gguf", 5);
	open_real("../shared/models/tinystories-656k", 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gguf_hparams_are_read),
		cmocka_unit_test(gguf_rope_scaling_is_read),
		cmocka_unit_test(gguf_contradictions_are_named),
		cmocka_unit_test(tokens_have_rows),
		cmocka_unit_test(names_fit_and_hold_no_nul),
		cmocka_unit_test(damaged_gguf_does_no_harm),
		cmocka_unit_test(parts_are_one_model),
		cmocka_unit_test(parts_that_do_not_fit_are_named),
		cmocka_unit_test(a_folder_is_a_model),
		cmocka_unit_test(bytes_are_mxfp4),
		cmocka_unit_test(an_lm_head_is_used_unless_tied),
		cmocka_unit_test(an_index_must_find_all_its_tensors),
		cmocka_unit_test(what_is_no_model_is_named),
		cmocka_unit_test(of_tied_matrices_either_may_be_there),
		cmocka_unit_test(an_lm_head_of_its_own_is_not_tied),
		cmocka_unit_test(folders_that_do_not_fit_are_named),
		cmocka_unit_test(every_allocation_may_fail),
		cmocka_unit_test(real_models_open),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
