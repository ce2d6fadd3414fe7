/*
 * What people have, given to `lossd eval`: compressed whatever its name, NumPy's files, several
 * files, JSON lines. And what is something else, which both it and a server's replies recognise.
 */
#include "../support/group.h"
#include "../support/refusal.h"
#include "../support/safetensors.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <zlib.h>
#include <zstd.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NUMPY "tests/fixtures/numpy/"
#define PROGRAM "\"${LOSSD:-${BUILD:-build}/lossd}\" eval "
#define JSON "{\"logits\": [[0.5, -1.25, 3], [2, 0.125, -7.5]], \"targets\": [2, 1]}"
#define WRONG "{\"logits\": [[1, 2]], \"targets\": [2]}"
#define HEADER                                                                                     \
	"{\"targets\":{\"dtype\":\"I64\",\"shape\":[2],\"data_offsets\":[0,16]},"                  \
	"\"logits\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[16,40]}}"
#define LOSS "{\"loss\":1.0548629,"

static const struct {
	int64_t targets[2];
	float logits[6];
} data = {{2, 1}, {0.5f, -1.25f, 3, 2, 0.125f, -7.5f}};

/* ---------------------------------------------------------------- support */

static char folder[] = "/tmp/test_files.XXXXXX";

static void write_file(const char *name, const void *bytes, size_t n)
{
	char path[128];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	FILE *file = fopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, n, file), n);
	assert_int_equal(fclose(file), 0);
}

#define GZIP (15 + 16)
static size_t gzip(const void *bytes, size_t n, char *out, size_t room)
{
	z_stream stream = {.next_in = (Bytef *)(uintptr_t)bytes,
			   .avail_in = (uInt)n,
			   .next_out = (Bytef *)out,
			   .avail_out = (uInt)room};
	assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, GZIP, 8, 0), Z_OK);
	assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
	deflateEnd(&stream);
	return stream.total_out;
}

struct output {
	int code;
	char out[16384], err[4096];
};

/* The program, with `input` before it: "" or a command with a pipe. */
static void run(struct output *output, const char *command, const char *input)
{
	char path[128], line[1024];
	snprintf(path, sizeof path, "%s/err", folder);
	snprintf(line, sizeof line, "%s %s%s 2>%s", input, PROGRAM, command, path);
	FILE *pipe = popen(line, "r");
	assert_non_null(pipe);
	output->out[fread(output->out, 1, sizeof output->out - 1, pipe)] = '\0';
	int status = pclose(pipe);
	output->code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	FILE *err = fopen(path, "rb");
	assert_non_null(err);
	output->err[fread(output->err, 1, sizeof output->err - 1, err)] = '\0';
	fclose(err);
	unlink(path);
}

static void expect(const struct output *output, const char *about, int code, const char *out,
		   const char *err)
{
	bool good = output->code == code && strncmp(output->out, out, strlen(out)) == 0 &&
		    (*out || !*output->out) &&
		    (*err ? strstr(output->err, err) != NULL : !*output->err);
	if (!good)
		fail_msg("%s: exit status %d, not %d: %s%s", about, output->code, code, output->out,
			 output->err);
}

static void expect_run(const char *command, int code, const char *out, const char *err)
{
	static struct output output;
	run(&output, command, "");
	expect(&output, command, code, out, err);
}

/* ---------------------------------------------------------------- codings */

static void test_codings_are_told_by_bytes(void **state)
{
	(void)state;
	char coded[2048], command[512], input[256];
	static struct output output;
	size_t size;
	char *tensors = safetensors_body(HEADER, &data, sizeof data, &size);
	const struct {
		const char *bytes;
		size_t n;
	} kinds[] = {{JSON, sizeof JSON - 1}, {tensors, size}};
	static const char *const names[] = {"a.json", "a.safetensors", "a.gz",
					    "a",      "a.npz",         "a.safetensors.zst"};
	for (size_t i = 0; i < COUNT(kinds) * 3 * COUNT(names); i++) {
		const char *name = names[i % COUNT(names)];
		size_t kind = i / COUNT(names) % COUNT(kinds);
		size_t way = i / COUNT(names) / COUNT(kinds), n = kinds[kind].n;
		memcpy(coded, kinds[kind].bytes, n);
		if (way == 1)
			n = gzip(kinds[kind].bytes, n, coded, sizeof coded);
		if (way == 2)
			n = ZSTD_compress(coded, sizeof coded, kinds[kind].bytes, n, 3);
		write_file(name, coded, n);
		snprintf(command, sizeof command, "%s/%s", folder, name);
		run(&output, command, "");
		expect(&output, name, 0, LOSS, "");
		snprintf(input, sizeof input, "cat %s/%s |", folder, name);
		run(&output, "-", input);
		expect(&output, name, 0, LOSS, "");
	}
	free(tensors);
}

static void test_broken_codings(void **state)
{
	(void)state;
	char coded[512], command[256];
	static struct output output;
	size_t n = gzip(JSON, sizeof JSON - 1, coded, sizeof coded);
	snprintf(command, sizeof command, "%s/a.gz", folder);
	write_file("a.gz", coded, n - 1);
	run(&output, command, "");
	expect(&output, "cut", 1, "", "lossd eval: invalid_encoding: the gzip body ends too early");
	char again[512];
	write_file("a.gz", again, gzip(coded, n, again, sizeof again));
	run(&output, command, "");
	expect(&output, "twice", 1, "", "this looks like gzip: it is compressed twice");
	n = ZSTD_compress(coded, sizeof coded, JSON, sizeof JSON - 1, 3);
	coded[4] ^= 8; /* a bit that must be 0 */
	write_file("a.gz", coded, n);
	run(&output, command, "");
	expect(&output, "corrupt", 1, "", "invalid_encoding: the zstd body is corrupt after");
}

/* ---------------------------------------------------------------- NumPy */

static void test_numpy(void **state)
{
	(void)state;
	static const char *const logits[] = {"f2",     "f4",     "f8", "big_f2",
					     "big_f4", "big_f8", "v2", "v3"};
	static const char *const targets[] = {
		"i1",     "i2",     "i4",     "i8",     "u1",     "u2",     "u4",     "u8",
		"big_i1", "big_i2", "big_i4", "big_i8", "big_u1", "big_u2", "big_u4", "big_u8"};
	char command[512];
	for (size_t i = 0; i < COUNT(logits) * COUNT(targets); i++) {
		const char *kind = logits[i % COUNT(logits)];
		snprintf(command, sizeof command,
			 "--logits " NUMPY "logits_%s.npy --targets=" NUMPY "targets_%s.npy "
			 "--weight " NUMPY "weight.npy --mask " NUMPY "mask.npy",
			 kind, targets[i / COUNT(logits)]);
		expect_run(command, 0, strstr(kind, "f8") ? "{\"loss\":1.05486286765245" : LOSS,
			   "");
	}
}

static void test_npz(void **state)
{
	(void)state;
	static const char *const names[] = {"batch", "compressed", "big_endian"};
	static struct output output;
	char command[256];
	for (size_t i = 0; i < COUNT(names); i++) {
		snprintf(command, sizeof command, NUMPY "%s.npz", names[i]);
		expect_run(command, 0, LOSS, "");
		snprintf(command, sizeof command, "cat " NUMPY "%s.npz |", names[i]);
		run(&output, "-", command);
		expect(&output, names[i], 0, LOSS, "");
		snprintf(command, sizeof command, "gzip -c " NUMPY "%s.npz |", names[i]);
		run(&output, "- --format npz", command);
		expect(&output, names[i], 0, LOSS, "");
	}
}

/* Every byte of an archive changed, and every cut of it: a sentence, or the same result (of names'
 * and times' bytes that nobody reads), never another one. */
static void test_broken_npz(void **state)
{
	(void)state;
	static const char *const names[] = {"batch", "compressed"};
	static struct output output;
	for (size_t k = 0; k < COUNT(names); k++) {
		char bytes[1024], path[128], command[128];
		snprintf(path, sizeof path, NUMPY "%s.npz", names[k]);
		FILE *file = fopen(path, "rb");
		assert_non_null(file);
		size_t n = fread(bytes, 1, sizeof bytes, file);
		fclose(file);
		snprintf(command, sizeof command, "%s/a.npz --format npz", folder);
		for (size_t at = 0; at < n; at += 3) {
			bytes[at] ^= 0x21;
			write_file("a.npz", bytes, n);
			run(&output, command, "");
			expect(&output, "changed", output.code == 0 ? 0 : 1,
			       output.code == 0 ? LOSS : "", output.code == 0 ? "" : ": ");
			bytes[at] ^= 0x21;
			write_file("a.npz", bytes, at);
			run(&output, command, "");
			expect(&output, "cut", 1, "",
			       at ? ": the zip archive has no end" : "empty");
		}
	}
}

static void test_wrong_numpy(void **state)
{
	(void)state;
	static const struct {
		const char *command;
		int code;
		const char *words;
	} cases[] = {
		{"--logits " NUMPY "logits_f4.npy", 1, "missing_field: targets is missing"},
		{"--logits " NUMPY "logits_fortran.npy --targets " NUMPY "targets_i8.npy", 1,
		 "save numpy.ascontiguousarray of it"},
		{"--logits " NUMPY "logits_bfloat16.npy --targets " NUMPY "targets_i8.npy", 1,
		 "logits_bfloat16.npy: the dtype of the array is \"<V2\": it names no type"},
		{"--logits " NUMPY "logits_complex.npy --targets " NUMPY "targets_i8.npy", 1,
		 "the dtype of the array is \"<c8\": its elements must be f2, f4"},
		{"--logits " NUMPY "batch.npz --targets " NUMPY "targets_i8.npy", 1,
		 "batch.npz does not begin as a NumPy array (.npy) does; this looks like NumPy "
		 "arrays"},
		{NUMPY "logits_f4.npy", 2,
		 "logits_f4.npy: this looks like a NumPy array (.npy): say "},
		{NUMPY "unnamed.npz", 1, "unknown_field: cross_entropy has no tensor \"arr_0\""},
		{NUMPY "unnamed.npz --loss kl_div", 1,
		 "; numpy.savez(FILE, log_probs=..., ...) names"},
		{NUMPY "batch.npz --loss nll_loss", 1,
		 "unknown_field: nll_loss has no tensor \"logits\""},
		{NUMPY "batch.npz --format json", 1,
		 "but a value is expected; this looks like NumPy arrays (.npz): "},
		{"--logits a.npy --logits b.npy", 2, "--logits is given twice"},
		{"--logits a.npy b.npz", 2, "there is a file, \"b.npz\", and --logits"},
		{"--logits missing.npy", 2, "missing.npy: No such file"},
		{"--logits=", 2, "No such file"},
	};
	for (size_t i = 0; i < COUNT(cases); i++)
		expect_run(cases[i].command, cases[i].code, "", cases[i].words);
}

/* ---------------------------------------------------------------- several */

static void test_several_files(void **state)
{
	(void)state;
	char command[512];
	static struct output output;
	write_file("good.json", JSON, sizeof JSON - 1);
	write_file("bad.json", WRONG, sizeof WRONG - 1);
	snprintf(command, sizeof command,
		 "%s/good.json %s/bad.json - missing.json " NUMPY "batch.npz", folder, folder);
	run(&output, command, "printf '" JSON "' |");
	char wanted[256];
	snprintf(wanted, sizeof wanted, "{\"file\":\"%s/good.json\",\"loss\":1.0548629,", folder);
	expect(&output, "several", 2, wanted, "missing.json: No such file or directory\n");
	assert_non_null(strstr(output.out, "\n{\"file\":\"-\",\"loss\":1.0548629,"));
	assert_non_null(
		strstr(output.out, "\n{\"file\":\"" NUMPY "batch.npz\",\"loss\":1.0548629,"));
	snprintf(wanted, sizeof wanted, "%s/bad.json: target_out_of_bounds: targets[0] is 2",
		 folder);
	assert_non_null(strstr(output.err, wanted));
	snprintf(command, sizeof command, "%s/bad.json %s/good.json", folder, folder);
	run(&output, command, "");
	snprintf(wanted, sizeof wanted, "{\"file\":\"%s/good.json\",\"loss\"", folder);
	expect(&output, "one of two", 1, wanted, "bad.json: target_out_of_bounds: ");
}

/* Through blank lines, wrong ones, one without an end, and pieces of a decoder. */
static void test_lines(void **state)
{
	(void)state;
	static struct output output;
	static const char lines[] = JSON "\n\n \t\r\n" WRONG "\n{]\n " JSON "\r\n" JSON;
	char command[256], coded[1024], wanted[256];
	write_file("a.jsonl", lines, sizeof lines - 1);
	write_file("a.ndjson.gz", coded, gzip(lines, sizeof lines - 1, coded, sizeof coded));
	write_file("a.txt", coded, ZSTD_compress(coded, sizeof coded, lines, sizeof lines - 1, 1));
	static const char *const names[] = {"a.jsonl", "a.ndjson.gz", "a.txt --format jsonl"};
	for (size_t i = 0; i < COUNT(names); i++) {
		snprintf(command, sizeof command, "%s/%s", folder, names[i]);
		run(&output, command, "");
		expect(&output, names[i], 1, "{\"line\":1,\"loss\":1.0548629,",
		       ":4: target_out_of");
		assert_non_null(strstr(output.out, "}\n{\"line\":6,\"loss\":1.0548629,"));
		assert_non_null(strstr(output.out, "}\n{\"line\":7,\"loss\":1.0548629,"));
		snprintf(wanted, sizeof wanted, "%.*s:5: invalid_json: column 2: found ']'",
			 (int)strcspn(command, " "), command);
		assert_non_null(strstr(output.err, wanted));
	}
	snprintf(command, sizeof command, "- %s/a.jsonl --format ndjson", folder);
	run(&output, command, "printf '" JSON "' |");
	expect(&output, "two", 1, "{\"file\":\"-\",\"line\":1,\"loss\":1.0548629,",
	       "a.jsonl:5: invalid_json: ");
	/* Cut: the lines before are evaluated, and the one that is cut is told. */
	size_t n = gzip(lines, sizeof lines - 1, coded, sizeof coded);
	write_file("a.ndjson.gz", coded, n - 4);
	snprintf(command, sizeof command, "%s/a.ndjson.gz", folder);
	run(&output, command, "");
	expect(&output, "cut", 1, "{\"line\":1,\"loss\":1.0548629,",
	       "a.ndjson.gz:7: invalid_encoding: the gzip body ends too early");
}

/* An error of the coding after whole lines: they count. */
static void test_lines_before_an_error(void **state)
{
	(void)state;
	static struct output output;
	static const char lines[] = JSON "\n" JSON "\n" JSON "\n";
	char coded[1024], command[256];
	size_t n = gzip(lines, sizeof lines - 1, coded, sizeof coded);
	coded[n - 8] ^= 1; /* of the checksum */
	write_file("a.jsonl.gz", coded, n);
	snprintf(command, sizeof command, "%s/a.jsonl.gz", folder);
	run(&output, command, "");
	expect(&output, "checksum", 1, "{\"line\":1,\"loss\":1.0548629,",
	       "a.jsonl.gz:4: invalid_encoding: the gzip body is corrupt after ");
	assert_non_null(strstr(output.out, "}\n{\"line\":3,\"loss\":1.0548629,"));
}

/* Two documents in a file that does not say that it is one of lines. */
static void test_lines_by_another_name(void **state)
{
	(void)state;
	static struct output output;
	run(&output, "-", "printf '" JSON "\n" JSON "\n' |");
	expect(&output, "lines", 1, "",
	       "nothing may follow the document; JSON lines, one problem each, are --format jsonl");
}

/* A server stops what is compressed to less than a hundredth; a file is its owner's. */
static void test_any_ratio(void **state)
{
	(void)state;
	enum { WIDTH = 4 << 20 };
	char *text = malloc(WIDTH + sizeof JSON), *coded = malloc(WIDTH / 16);
	assert_true(text && coded);
	memcpy(text, JSON, sizeof JSON - 1);
	memset(text + sizeof JSON - 1, ' ', WIDTH);
	size_t n = gzip(text, WIDTH + sizeof JSON - 1, coded, WIDTH / 16);
	assert_true(n < WIDTH / 200);
	write_file("a.json.gz", coded, n);
	free(text);
	free(coded);
	char command[256];
	snprintf(command, sizeof command, "%s/a.json.gz", folder);
	expect_run(command, 0, LOSS, "");
}

/* What a sentence has of a file does not command the terminal. */
static void test_control_characters_are_not_printed(void **state)
{
	(void)state;
	static struct output output;
	run(&output, "-", "printf '{\"\\\\u001b[2J\\\\u009b\\\\u202e\": 1}' |");
	expect(&output, "escape", 1, "", "has no field \"?[2J??\"");
	for (const char *at = output.err; *at; at++)
		assert_true((unsigned char)*at >= ' ' || *at == '\n');
}

/* A file that is cut while it is read ends neither the program nor in a result. Its pages are not
 * read before the next file can be opened, and that is a pipe which nobody has opened yet. */
static void test_a_file_that_is_cut_meanwhile(void **state)
{
	enum { ROWS = 1000, CLASSES = 1000, HEAD = 128 };
	(void)state;
	char logits[128], targets[128], command[512], head[HEAD + 1];
	static struct output output;
	snprintf(logits, sizeof logits, "%s/cut.npy", folder);
	snprintf(targets, sizeof targets, "%s/pipe", folder);
	snprintf(head, sizeof head, "\x93NUMPY\x01%cv%c%-117s\n", 1, 1,
		 "{'descr': '<f4', 'fortran_order': False, 'shape': (1000, 1000), }");
	memcpy(head + 7, "\0v\0", 3);
	write_file("cut.npy", head, HEAD);
	assert_int_equal(truncate(logits, HEAD + (off_t)ROWS * CLASSES * 4), 0);
	assert_int_equal(mkfifo(targets, 0600), 0);
	snprintf(command, sizeof command, "--logits %s --targets %s", logits, targets);
	pid_t pid = fork();
	if (pid == 0) {
		/* Opens once the program does. */
		int fd = open(targets, O_WRONLY);
		bool cut = fd >= 0 && truncate(logits, 4096) == 0;
		snprintf(head, sizeof head, "\x93NUMPY\x01%cv%c%-117s\n", 1, 1,
			 "{'descr': '|u1', 'fortran_order': False, 'shape': (1000,), }");
		memcpy(head + 7, "\0v\0", 3);
		char zeros[ROWS] = "";
		_exit(cut && write(fd, head, HEAD) == HEAD && write(fd, zeros, ROWS) == ROWS ? 0
											     : 1);
	}
	run(&output, command, "");
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	expect(&output, command, 2, "", "/cut.npy: the file was cut while it was read\n");
	unlink(logits);
	unlink(targets);
}

static void test_options_with_either_dash(void **state)
{
	(void)state;
	static struct output plain, other;
	write_file("a.json", JSON, sizeof JSON - 1);
	char command[256];
	snprintf(command, sizeof command, "%s/a.json --label_smoothing 0.25", folder);
	run(&plain, command, "");
	snprintf(command, sizeof command, "--label-smoothing=0.25 %s/a.json", folder);
	run(&other, command, "");
	size_t n = (size_t)(strstr(plain.out, "\"metrics\"") - plain.out);
	assert_int_equal(other.code, 0);
	assert_memory_equal(plain.out, other.out, n);
	assert_null(strstr(plain.out, "1.0548629"));
}

/* ---------------------------------------------------------------- what is something else */

#define BYTES(literal) (literal), sizeof(literal) - 1
#define ZIP "PK\3\4-\0\0\0\0\0\0\0!\0\0\0\0\0\0\0\0\0\0\0\0\0"

static const struct {
	const char *bytes;
	size_t n;
	const char *in_body, *in_file;
	bool is_json; /* it is wrong for safetensors only */
} strangers[] = {
	{BYTES("\x93NUMPY\1\0v\0{'descr'"),
	 "this looks like a NumPy array (.npy): evaluate it with `lossd eval --logits a.npy "
	 "--targets "
	 "b.npy`, or save its tensors with safetensors.numpy.save_file",
	 "this looks like a NumPy array (.npy): say which tensor it is: lossd eval --logits",
	 false},
	{BYTES(ZIP "\x0a\0\0\0logits.npy"),
	 "this looks like NumPy arrays (.npz): evaluate it with `lossd eval batch.npz`, or",
	 "the zip archive has no end", false},
	{BYTES(ZIP "\x10\0\0\0archive/data.pkl"),
	 "this looks like a PyTorch file (.pt): read it with torch.load, and save its tensors with "
	 "safetensors.torch.save_file",
	 "this looks like a PyTorch file (.pt): read it with torch.load", false},
	{BYTES("\x80\2\x8a\x0al\xfc\x9c\x46\xf9"), "a Python pickle", "a Python pickle", false},
	{BYTES("\x1f\x8b\x08\0\0\0\0\0\2\xff"), "this looks like gzip: say Content-Encoding: gzip",
	 "the gzip body ends too early", false},
	{BYTES("\x28\xb5\x2f\xfd\x20\x10\0\0\0"),
	 "this looks like zstd: say Content-Encoding: zstd", "the zstd body ends too early", false},
	{BYTES("PAR1\x15\4\x15\x10\x15\x14"), "this looks like Parquet: read it with pyarrow",
	 "this looks like Parquet: read it with pyarrow", false},
	{BYTES("ARROW1\0\0\xff\xff\xff\xff"),
	 "this looks like Arrow (Feather): read it with pyarrow",
	 "this looks like Arrow (Feather): read it with pyarrow", false},
	{BYTES("\x89HDF\r\n\x1a\n\0\0"), "this looks like HDF5: read it with h5py",
	 "this looks like HDF5: read it with h5py", false},
	{BYTES("GGUF\3\0\0\0\0\0"), "a GGUF model", "a GGUF model: a batch's logits", false},
	{BYTES("logits,targets\n0.5,1\n"), "comma- or tab-separated values: send numbers as arrays",
	 "comma- or tab-separated values: numbers are read as arrays of JSON", false},
	{BYTES("0.5\t1.5\t-2\n"), "comma- or tab-separated values", "comma- or tab-separated",
	 false},
	{BYTES("<!doctype html><title>502"),
	 "this looks like HTML: it may be a page that says what",
	 "this looks like HTML: it may be a page that says what", false},
	{BYTES("<?xml version=\"1.0\"?>"), "this looks like XML: ", "this looks like XML: ", false},
	{BYTES(JSON), "this looks like JSON: its Content-Type is application/json", NULL, true},
};

static void test_strangers_as_files(void **state)
{
	(void)state;
	static struct output output;
	char command[256];
	for (size_t i = 0; i < COUNT(strangers); i++) {
		if (!strangers[i].in_file)
			continue;
		write_file("stranger", strangers[i].bytes, strangers[i].n);
		snprintf(command, sizeof command, "%s/stranger", folder);
		run(&output, command, "");
		expect(&output, strangers[i].in_body, i == 0 ? 2 : 1, "", strangers[i].in_file);
		assert_null(strstr(output.err, "server"));
	}
}

static void test_strangers_as_bodies(void **state)
{
	(void)state;
	static const struct {
		const char *path, *type;
		const char *code; /* the other protocol has none */
	} ways[] = {
		{CROSS_ENTROPY, "Content-Type: application/json", "invalid_json"},
		{CROSS_ENTROPY, "Content-Type: application/octet-stream", "invalid_safetensors"},
		{"/v2/models/cross_entropy/infer", "Content-Type: application/json", "{\"error\":"},
	};
	for (size_t i = 0; i < COUNT(strangers) * COUNT(ways); i++) {
		size_t k = i / COUNT(ways), way = i % COUNT(ways);
		if (strangers[k].is_json && way != 1)
			continue;
		const char *const headers[] = {ways[way].type, NULL};
		struct reply reply;
		client_send(client,
			    &(struct request){.path = ways[way].path,
					      .headers = headers,
					      .body = strangers[k].bytes,
					      .body_size = strangers[k].n},
			    &reply);
		if (reply.status != 400 || !strstr(reply.body, strangers[k].in_body) ||
		    !strstr(reply.body, ways[way].code))
			fail_msg("%s: %d %s", strangers[k].in_body, reply.status, reply.body);
		reply_free(&reply);
	}
	/* Of fewer than the eight bytes that safetensors begin with, too. */
	const char *const headers[] = {"Content-Type: application/x-safetensors", NULL};
	struct reply reply;
	client_send(client,
		    &(struct request){.path = CROSS_ENTROPY, .headers = headers, .body = "{}"},
		    &reply);
	assert_non_null(strstr(reply.body, "truncated_body"));
	assert_non_null(strstr(reply.body, "this looks like JSON: its Content-Type is"));
	reply_free(&reply);
}

/* Whose limits they are. */
static void test_limits_are_not_a_servers(void **state)
{
	(void)state;
	static const char huge[] = "{\"logits\": {\"dtype\": \"F32\", \"shape\": [1099511627777], "
				   "\"data\": []}, \"targets\": [0]}";
	static struct output output;
	char command[256];
	write_file("huge.json", huge, sizeof huge - 1);
	snprintf(command, sizeof command, "%s/huge.json", folder);
	run(&output, command, "");
	expect(&output, "huge", 1, "",
	       "more than 1099511627776 elements (max_elements), which is lossd eval's limit\n");
}

static int set_up(void **state)
{
	return mkdtemp(folder) ? group_start(state) : -1;
}

static int tear_down(void **state)
{
	char command[128];
	snprintf(command, sizeof command, "rm -r %s", folder);
	return system(command) == 0 ? group_stop(state) : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_codings_are_told_by_bytes),
		cmocka_unit_test(test_broken_codings),
		cmocka_unit_test(test_numpy),
		cmocka_unit_test(test_npz),
		cmocka_unit_test(test_broken_npz),
		cmocka_unit_test(test_wrong_numpy),
		cmocka_unit_test(test_several_files),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_lines_before_an_error),
		cmocka_unit_test(test_lines_by_another_name),
		cmocka_unit_test(test_any_ratio),
		cmocka_unit_test(test_control_characters_are_not_printed),
		cmocka_unit_test(test_a_file_that_is_cut_meanwhile),
		cmocka_unit_test(test_options_with_either_dash),
		cmocka_unit_test(test_strangers_as_files),
		cmocka_unit_test(test_strangers_as_bodies),
		cmocka_unit_test(test_limits_are_not_a_servers),
	};
	return cmocka_run_group_tests_name("files", tests, set_up, tear_down);
}
