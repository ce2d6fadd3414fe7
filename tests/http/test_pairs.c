/*
 * `lossd eval` of files that are read from where they lie: two that are compared, alone and large
 * ones in memory that stays flat; and --fail-above.
 */
#include "../support/safetensors.h"
#include "../support/server.h"

#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define DIVERGENCE "--loss divergence "
#define ALL " --outputs loss,agrees,agreement,lse,entropy,teacher_entropy,predicted,delta_prob "

/* ---------------------------------------------------------------- files */

static char folder[] = "/tmp/test_pairs.XXXXXX";

/* Two rows of three classes, and what differs from them. */
static const float base[6] = {0.5f, -1.25f, 3, 2, 0.125f, -7.5f};
static const float candidate[6] = {0.625f, -1.5f, 2.75f, 2, 0.25f, -7};
static const int64_t targets[2] = {2, 1}, others[2] = {2, 0};

static char *path_of(const char *name)
{
	static char paths[4][128];
	static unsigned next;
	char *path = paths[next++ % 4];
	snprintf(path, sizeof paths[0], "%s/%s", folder, name);
	return path;
}

/* A tensor of a file; without data so many bytes are a hole. */
struct part {
	const char *name, *dtype, *shape;
	const void *data;
	size_t bytes;
};

/* `pad` bytes of spaces end the header: with 0 and 8 tensors are as aligned as others. */
static void write_parts(const char *name, const struct part *parts, size_t n, size_t pad)
{
	char header[1024] = "{";
	size_t at = 0, used = 1;
	for (size_t i = 0; i < n; at += parts[i++].bytes)
		used += (size_t)snprintf(header + used, sizeof header - used,
					 "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[%s],"
					 "\"data_offsets\":[%zu,%zu]}",
					 i ? "," : "", parts[i].name, parts[i].dtype,
					 parts[i].shape, at, at + parts[i].bytes);
	header[used++] = '}';
	while (used % 8 != pad % 8)
		header[used++] = ' ';
	FILE *file = fopen(path_of(name), "wb");
	assert_non_null(file);
	uint64_t length = used;
	assert_int_equal(fwrite(&length, 1, 8, file), 8);
	assert_int_equal(fwrite(header, 1, used, file), used);
	for (size_t i = 0; i < n; i++)
		if (parts[i].data)
			assert_int_equal(fwrite(parts[i].data, 1, parts[i].bytes, file),
					 parts[i].bytes);
		else
			assert_int_equal(fseeko(file, (off_t)parts[i].bytes, SEEK_CUR), 0);
	assert_int_equal(ftruncate(fileno(file), (off_t)(8 + used + at)), 0);
	assert_int_equal(fclose(file), 0);
}

#define WRITE(name, ...)                                                                           \
	write_parts(name, (const struct part[]){__VA_ARGS__},                                      \
		    COUNT(((const struct part[]){__VA_ARGS__})), 0)
#define F32(name, data)                                                                            \
	{                                                                                          \
		name, "F32", "2,3", data, sizeof(data)                                             \
	}
#define TARGETS(data)                                                                              \
	{                                                                                          \
		"targets", "I64", "2", data, sizeof(data)                                          \
	}

static int set_up(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	WRITE("base", F32("logits", base));
	WRITE("candidate", F32("logits", candidate));
	WRITE("base_targets", TARGETS(targets), F32("logits", base));
	WRITE("candidate_targets", F32("logits", candidate), TARGETS(targets));
	WRITE("other_targets", TARGETS(others), F32("logits", candidate));
	WRITE("narrow_targets", F32("logits", candidate), {"targets", "I8", "2", "\2\1", 2});
	WRITE("out", F32("out", base));
	WRITE("out_2", F32("out", candidate));
	WRITE("both", TARGETS(targets), F32("teacher_logits", base), F32("logits", candidate));
	WRITE("wide", {"logits", "F32", "3,2", base, sizeof base});
	WRITE("half", {"logits", "F16", "2,3", "\0\0\0\0\0\0\0\0\0\0\0", 12});
	WRITE("unknown", F32("logits", candidate), F32("labels", base));
	WRITE("listed", {"teacher_indices", "I64", "2,1", targets, sizeof targets},
	      {"teacher_log_probs", "F32", "2,1", "\0\0\0\0\0\0\0", 8});
	WRITE("log_probs", F32("teacher_log_probs", base), F32("logits", candidate));
	WRITE("weights", F32("logits", candidate), {"row_weight", "F32", "2", base + 3, 8});
	write_parts("crooked", (const struct part[]){TARGETS(targets), F32("logits", candidate)}, 2,
		    3);
	WRITE("empty", {"__metadata__x", "F32", "0", "", 0});
	return 0;
}

static int tear_down(void **state)
{
	char command[128];
	(void)state;
	snprintf(command, sizeof command, "rm -r %s", folder);
	return system(command);
}

/* ---------------------------------------------------------------- runs */

struct output {
	int code;
	char out[16384], err[4096];
};

/* In the tests' own folder; after an & in `command` another file stands there. */
static void run(struct output *output, const char *before, const char *command)
{
	char line[2048], root[1024];
	assert_non_null(getcwd(root, sizeof root));
	snprintf(line, sizeof line,
		 "cd %s && L=%s/\"${BUILD:-build}\"/lossd && %s \"${LOSSD:-$L}\" eval %s 2>err",
		 folder, root, before, command);
	FILE *pipe = popen(line, "r");
	assert_non_null(pipe);
	output->out[fread(output->out, 1, sizeof output->out - 1, pipe)] = '\0';
	int status = pclose(pipe);
	output->code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	FILE *err = fopen(path_of("err"), "rb");
	assert_non_null(err);
	output->err[fread(output->err, 1, sizeof output->err - 1, err)] = '\0';
	fclose(err);
}

/* The reply without its times. */
static char *results_of(const char *before, const char *command)
{
	static struct output output;
	run(&output, before, command);
	char *end = strstr(output.out, ",\"metrics\"");
	if (output.code != 0 || !end || output.err[0])
		fail_msg("%s: exit status %d: %s%s", command, output.code, output.out, output.err);
	*end = '\0';
	return strdup(output.out);
}

static void expect_same(const char *what, const char *before, const char *command,
			const char *expected)
{
	char *results = results_of(before, command);
	if (strcmp(results, expected) != 0)
		fail_msg("%s:\n%s\n%s", what, results, expected);
	free(results);
}

/* ---------------------------------------------------------------- two files */

static void two_files_are_as_one_with_both(void **state)
{
	static const struct {
		const char *before, *command;
	} ways[] = {
		{"", DIVERGENCE "base candidate_targets" ALL},
		{"", DIVERGENCE "base_targets candidate" ALL},
		{"", DIVERGENCE "base_targets candidate_targets" ALL},
		{"", DIVERGENCE "base narrow_targets" ALL},
		{"", DIVERGENCE "base crooked" ALL},
		{"", DIVERGENCE "base candidate_targets --threads 2 --format safetensors" ALL},
		{"", DIVERGENCE "--tensor out out out_2t" ALL},
		{"cat base |", DIVERGENCE "- candidate_targets" ALL},
		{"cat candidate_targets |", DIVERGENCE "base -" ALL},
		{"gzip -c base >base.gz &&", DIVERGENCE "base.gz candidate_targets" ALL},
		{"", DIVERGENCE "base both" ALL},
		{"", DIVERGENCE "--tensor out out candidate_targets" ALL}, /* the loss's own name */
	};
	(void)state;
	WRITE("out_2t", F32("out", candidate), TARGETS(targets));
	char *expected = results_of("", DIVERGENCE "both" ALL);
	assert_non_null(strstr(expected, "\"agreement\":1.0"));
	for (size_t i = 0; i < COUNT(ways); i++)
		expect_same(ways[i].command, ways[i].before, ways[i].command, expected);
	free(expected);
}

static void arguments_and_other_tensors(void **state)
{
	(void)state;
	WRITE("both_weights", F32("teacher_logits", base), F32("logits", candidate),
	      {"row_weight", "F32", "2", base + 3, 8});
	char *expected = results_of("", DIVERGENCE "both_weights --kind reverse --temperature 2");
	expect_same("row_weight", "", DIVERGENCE "base weights --kind reverse --temperature 2",
		    expected);
	free(expected);
	expected = results_of("", DIVERGENCE "log_probs");
	WRITE("teacher", F32("teacher_log_probs", base));
	expect_same("teacher_log_probs", "", DIVERGENCE "teacher candidate", expected);
	free(expected);
	free(results_of("", DIVERGENCE "listed candidate --tail ignore"));
}

/* Of other losses, and of three, each file is a problem. */
static void others_are_problems_of_their_own(void **state)
{
	static struct output output;
	(void)state;
	run(&output, "", "base_targets candidate_targets");
	assert_int_equal(output.code, 0);
	assert_non_null(strstr(output.out, "{\"file\":\"base_targets\",\"loss\":"));
	assert_non_null(strstr(output.out, "\n{\"file\":\"candidate_targets\",\"loss\":"));
	run(&output, "", DIVERGENCE "both both both");
	assert_int_equal(output.code, 0);
	assert_non_null(strstr(output.out, "\n{\"file\":\"both\",\"loss\":"));
}

static const struct {
	const char *command;
	int code;
	const char *err;
} wrong[] = {
	{"base wide", 1,
	 "lossd eval: shape_mismatch: base: teacher_logits has shape (2, 3), but must have (3, "
	 "2), "},
	{"base other_targets --ignore-index 2 --targets x.npy", 2, "lossd eval: there is a file"},
	{"base empty", 1,
	 "lossd eval: missing_field: empty: it has no tensor \"logits\", which is to be logits; it "
	 "has __metadata__x (--tensor says what it is called)\n"},
	{"empty candidate", 1,
	 "lossd eval: missing_field: empty: it has no tensor \"logits\", which is to be "
	 "teacher_logits; it has __metadata__x (--tensor says what it is called)\n"},
	{"out out_2", 1,
	 "lossd eval: missing_field: out: it has no tensor \"logits\", which is to be "
	 "teacher_logits; it has out (--tensor says what it is called)\n"},
	{"base out --tensor x", 1,
	 "lossd eval: missing_field: base: it has no tensor \"x\", which is to be teacher_logits; "
	 "it "
	 "has logits (--tensor says what it is called)\n"},
	{"out empty --tensor out", 1,
	 "lossd eval: missing_field: empty: it has no tensor \"out\", which is to be logits; it "
	 "has "
	 "__metadata__x (--tensor says what it is called)\n"},
	{"base unknown", 1,
	 "lossd eval: unknown_field: unknown: divergence has no tensor \"labels\"; "},
	{"base_targets other_targets", 1,
	 "lossd eval: duplicate_field: other_targets: targets is in base_targets, too, but element "
	 "1 "
	 "is another; give it once, and both files for the same rows\n"},
	{"base_targets narrow_targets", 1,
	 "lossd eval: duplicate_field: narrow_targets: targets is in base_targets, too, in another "
	 "shape or type; give it once\n"},
	{"both candidate", 1,
	 "lossd eval: duplicate_field: both: it has teacher_logits under two names: \"logits\" and "
	 "its own; leave one out\n"},
	{"base candidate --outputs delta_prob", 1, "lossd eval: missing_field: "},
	{"base cut", 1,
	 "lossd eval: truncated_body: cut: the body ends after 23 of the tensors' 24 bytes\n"},
	{"base short", 1, "lossd eval: truncated_body: short: the body ends after "},
	{"base long", 1, "lossd eval: invalid_safetensors: long: the body has 1 bytes after "},
	{"noise candidate", 1, "lossd eval: invalid_safetensors: noise: "},
	{"nothing candidate", 2,
	 "lossd eval: nothing: this is not in safetensors, as the file that "},
	{"base json", 2, "lossd eval: json: this is not in safetensors, as the file that "},
	{"base bad.gz", 1, "lossd eval: invalid_encoding: bad.gz: the gzip body "},
	{"bad.gz candidate", 1, "lossd eval: invalid_encoding: bad.gz: the gzip body "},
	{"base missing", 2, "lossd eval: missing: No such file or directory\n"},
	{"missing candidate", 2, "lossd eval: missing: No such file or directory\n"},
	{"base .", 2, "lossd eval: .: Is a directory\n"},
	{"base candidate --tensor ''", 2, "lossd eval: --tensor must be the name of a tensor"},
	{"base --tensor x", 2, "lossd eval: --tensor is of two files that are compared: "},
	{"base candidate --beta 7", 1, "lossd eval: argument_out_of_range: beta is 7"},
};

static void what_is_wrong_names_its_file(void **state)
{
	static struct output output;
	char command[256];
	(void)state;
	run(&output,
	    "head -c -1 base >cut && head -c 40 base >short && cat base >long && printf x "
	    ">>long && echo '{}' >json && : >nothing && head -c 99 /dev/zero >noise; "
	    "gzip -c base | head -c 40 >bad.gz;",
	    "base_targets");
	for (size_t i = 0; i < COUNT(wrong); i++) {
		snprintf(command, sizeof command, DIVERGENCE "%s", wrong[i].command);
		run(&output, "", command);
		if (output.code != wrong[i].code || output.out[0] ||
		    strncmp(output.err, wrong[i].err, strlen(wrong[i].err)) != 0)
			fail_msg("%s: exit status %d, not %d:\n%s%s\n%s", command, output.code,
				 wrong[i].code, output.out, output.err, wrong[i].err);
	}
}

/* Which of them a sentence of the library is about, it does not know itself. */
static void the_other_file_is_named_where_it_is_at_fault(void **state)
{
	static struct output output;
	(void)state;
	WRITE("bad_targets", F32("logits", candidate), {"targets", "I8", "2", "\2\3", 2});
	run(&output, "", DIVERGENCE "base bad_targets");
	assert_int_equal(output.code, 1);
	assert_string_equal(output.err, "lossd eval: target_out_of_bounds: bad_targets: targets[1] "
					"is 3, but there are 3 classes (0..2)\n");
}

/* ---------------------------------------------------------------- where it lies */

/* Tensors in any order and of any alignment, from a file and from a pipe. */
static void a_file_and_a_pipe_are_the_same(void **state)
{
	static const char *const outputs = " --outputs loss,grad,rank,loss_quantiles";
	static const char *const names[] = {"base_targets", "candidate_targets", "crooked"};
	static const unsigned char bytes[48] = {1, 60, 2, 61, 3, 62, 4, 63, 5, 60, 6, 59,
						7, 58, 8, 57, 9, 56, 1, 55, 2, 54, 3, 53};
	static const struct {
		const char *dtype;
		size_t size;
	} types[] = {{"F64", 8}, {"F16", 2}, {"BF16", 2}, {"F8_E4M3", 1}, {"F8_E5M2", 1}};
	char command[256], pipe[256];
	(void)state;
	for (size_t i = 0; i < COUNT(names) + COUNT(types) * 8; i++) {
		const char *name = i < COUNT(names) ? names[i] : "typed";
		size_t k = i - COUNT(names);
		if (i >= COUNT(names))
			write_parts("typed",
				    (const struct part[]){{"targets", "I8", "2", "\2\1", 2},
							  {"logits", types[k % COUNT(types)].dtype,
							   "2,3", bytes,
							   6 * types[k % COUNT(types)].size}},
				    2, k / COUNT(types));
		snprintf(command, sizeof command, "%s%s", name, outputs);
		snprintf(pipe, sizeof pipe, "cat %s |", name);
		char *expected = results_of("", command);
		snprintf(command, sizeof command, "-%s", outputs);
		expect_same(name, pipe, command, expected);
		snprintf(pipe, sizeof pipe, "<%s", name);
		expect_same(name, pipe, command, expected);
		free(expected);
	}
}

/* ---------------------------------------------------------------- large files */

#define MEBIBYTE ((size_t)1 << 20)
#define GROWTH (64 * MEBIBYTE)

/* How large: a gigabyte and more by LOSSD_TEST_MEBIBYTES. */
static size_t file_rows(size_t row_bytes)
{
	const char *text = getenv("LOSSD_TEST_MEBIBYTES");
	size_t n = text ? (size_t)strtoul(text, NULL, 10) : 192;
	return n * MEBIBYTE / row_bytes;
}

/* The most memory that any of the children had, in bytes: it only grows. */
static size_t peak(void)
{
	struct rusage usage;
	assert_int_equal(getrusage(RUSAGE_CHILDREN, &usage), 0);
	return (size_t)usage.ru_maxrss * 1024;
}

static void expect_flat(const char *command, size_t rows)
{
	static struct output output;
	char expected[64];
	snprintf(expected, sizeof expected, "\"rows\":%zu,", rows);
	size_t before = peak();
	run(&output, "", command);
	if (output.code != 0 || !strstr(output.out, expected))
		fail_msg("%s: exit status %d: %s%s", command, output.code, output.out, output.err);
	size_t growth = peak() - before;
	if (growth > GROWTH)
		fail_msg("%s: %zu MiB more than a small file", command, growth / MEBIBYTE);
}

/* Holes, which read as zeros: equal logits. */
static void large_files_take_little_memory(void **state)
{
	enum { CLASSES = 8192 };
	static struct output output;
	size_t n = file_rows(CLASSES * 4), bytes = n * CLASSES * 4;
	char shape[64], rows[32];
	(void)state;
	snprintf(shape, sizeof shape, "%zu,%d", n, CLASSES);
	snprintf(rows, sizeof rows, "%zu", n);
	WRITE("large", {"logits", "F32", shape, NULL, bytes},
	      {"targets", "I32", rows, NULL, n * 4});
	run(&output, "", "base_targets"); /* a small one */
	run(&output, "", DIVERGENCE "base candidate");
	assert_int_equal(output.code, 0);
	expect_flat("large --outputs loss,loss_quantiles,accuracy", n);
	expect_flat("- <large", n);
	expect_flat(DIVERGENCE "large large --outputs loss,agreement", n);
	assert_int_equal(unlink(path_of("large")), 0);
}

#define NPY_BYTES 128

/* An array of zeros, which is a hole. */
static void write_npy(const char *name, const char *descr, const char *shape, size_t bytes)
{
	char head[NPY_BYTES + 16], dict[112];
	snprintf(dict, sizeof dict, "{'descr': '%s', 'fortran_order': False, 'shape': (%s,), }",
		 descr, shape);
	snprintf(head, sizeof head, "\x93NUMPY\x01%cv%c%-117s\n", 1, 1, dict);
	memcpy(head + 7, "\0v\0", 3);
	FILE *file = fopen(path_of(name), "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(head, 1, NPY_BYTES, file), NPY_BYTES);
	assert_int_equal(ftruncate(fileno(file), (off_t)(NPY_BYTES + bytes)), 0);
	assert_int_equal(fclose(file), 0);
}

/* An array each; and in another byte order, which is turned on the way. */
static void large_arrays_take_little_memory(void **state)
{
	enum { CLASSES = 8192 };
	size_t n = file_rows(CLASSES * 4), bytes = n * CLASSES * 4;
	char shape[64], rows[32], command[256];
	(void)state;
	snprintf(shape, sizeof shape, "%zu,%d", n, CLASSES);
	snprintf(rows, sizeof rows, "%zu", n);
	write_npy("logits.npy", "<f4", shape, bytes);
	write_npy("targets.npy", "|u1", rows, n);
	expect_flat("--logits logits.npy --targets targets.npy", n);
	snprintf(command, sizeof command,
		 DIVERGENCE "--logits logits.npy --teacher_logits "
			    "logits.npy --outputs agreement");
	expect_flat(command, n);
	write_npy("logits.npy", ">f4", shape, bytes);
	expect_flat("--logits logits.npy --targets targets.npy", n);
	assert_int_equal(unlink(path_of("logits.npy")), 0);
}

/* Of all classes side by side in another layout; and of elements. */
static void large_files_of_other_layouts(void **state)
{
	enum { CLASSES = 16, INNER = 512 };
	size_t n = file_rows(CLASSES * INNER * 4), bytes = n * CLASSES * INNER * 4;
	char shape[64], rows[64];
	(void)state;
	snprintf(shape, sizeof shape, "%zu,%d,%d", n, CLASSES, INNER);
	snprintf(rows, sizeof rows, "%zu,%d", n, INNER);
	WRITE("large", {"logits", "F32", shape, NULL, bytes},
	      {"targets", "U8", rows, NULL, n * INNER});
	expect_flat("large", n * INNER);
	WRITE("large", {"logits", "F32", shape, NULL, bytes / 2 * 2},
	      {"targets", "F32", shape, NULL, bytes});
	expect_flat("--loss binary_cross_entropy_with_logits large", n * CLASSES * INNER);
	assert_int_equal(unlink(path_of("large")), 0);
}

/* ---------------------------------------------------------------- a file that is cut meanwhile */

/* Whether a process has a mapping of the file. */
static bool has_mapped(pid_t pid, const char *name)
{
	char path[64], line[512];
	bool found = false;
	snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
	FILE *file = fopen(path, "r");
	while (file && !found && fgets(line, sizeof line, file))
		found = strstr(line, name) != NULL;
	if (file)
		fclose(file);
	return found;
}

static pid_t start(const char *const *argv, int *err)
{
	int ends[2];
	assert_int_equal(pipe(ends), 0);
	pid_t pid = fork();
	if (pid == 0) {
		const char *program = getenv("LOSSD"), *build = getenv("BUILD");
		char path[512];
		snprintf(path, sizeof path, "%s/lossd", build ? build : "build");
		dup2(ends[1], STDERR_FILENO);
		execv(program ? program : path, (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	close(ends[1]);
	*err = ends[0];
	return pid;
}

/* The first file is read from where it lies while the second, a pipe, has more to come. */
static void a_file_that_is_cut_meanwhile(void **state)
{
	enum { ROWS = 1000, CLASSES = 1000, BYTES = ROWS * CLASSES * 4 };
	static const struct part logits = {"logits", "F32", "1000,1000", NULL, BYTES};
	static char body[BYTES + 1024];
	char err[512] = "";
	int fd, from, status;
	(void)state;
	write_parts("whole", &logits, 1, 0);
	FILE *file = fopen(path_of("whole"), "rb");
	size_t n = fread(body, 1, sizeof body, file), half = n / 2, sent = 0;
	fclose(file);
	assert_int_equal(mkfifo(path_of("pipe"), 0600), 0);
	char whole[128], fifo[128];
	snprintf(whole, sizeof whole, "%s", path_of("whole"));
	snprintf(fifo, sizeof fifo, "%s", path_of("pipe"));
	const char *const argv[] = {"lossd", "eval", "--loss", "divergence", whole, fifo, NULL};
	pid_t pid = start(argv, &from);
	fd = open(fifo, O_WRONLY);
	assert_true(fd >= 0);
	while (sent < half) {
		ssize_t some = write(fd, body + sent, half - sent);
		assert_true(some > 0);
		sent += (size_t)some;
	}
	while (!has_mapped(pid, whole))
		assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
	assert_int_equal(truncate(whole, 4096), 0);
	while (sent < n) {
		ssize_t some = write(fd, body + sent, n - sent);
		assert_true(some > 0);
		sent += (size_t)some;
	}
	close(fd);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(read(from, err, sizeof err - 1) > 0);
	close(from);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 2);
	assert_non_null(strstr(err, "/whole: the file was cut while it was read\n"));
}

/* ---------------------------------------------------------------- --fail-above */

/* The loss of "tie" is log 2, 0.6931472 as it is printed. */
static const struct {
	const char *command;
	int code;
	const char *err;
} bounds[] = {
	{"tie --fail-above 0.6931470", 3, ""},
	{"tie --fail-above 0.6931472", 0, ""},
	{"tie --fail-above=0.6931473", 0, ""},
	{"tie --fail_above 1e300", 0, ""},
	{"tie --fail-above -1", 3, ""},
	{"tie --fail-above inf", 0, ""},
	{"tie --fail-above -inf", 3, ""},
	{"tie --reduction sum --fail-above 0.7", 3, ""},
	{"tie --reduction sum --fail-above 1.5", 0, ""},
	{"tie --outputs accuracy,loss --fail-above 0.5", 3, ""},
	{"nan --fail-above 5", 3, ""},
	{"nan --fail-above inf", 3, ""},
	{"infinite --fail-above 1e38", 3, ""},
	{"infinite --fail-above inf", 0, ""},
	{"tie nan --fail-above 1", 3, ""},
	{"nan tie --fail-above 1", 3, ""},
	{"tie tie --fail-above 1", 0, ""},
	{"nan missing --fail-above 1", 2, "lossd eval: missing: No such"},
	{"nan wide --fail-above 1", 1, "wide: missing_field"},
	{"lines.jsonl --fail-above 1", 3, ""},
	{"lines.jsonl --fail-above 3", 0, ""},
	{"tie --outputs accuracy --fail-above 1", 2,
	 "lossd eval: --fail-above: there is no loss to compare: outputs must have \"loss\", and "
	 "reduction be \"mean\" or \"sum\"\n"},
	{"tie --reduction none --fail-above 1", 2,
	 "lossd eval: --fail-above: there is no loss to compare"},
	{"tie --fail-above nan", 2, "lossd eval: --fail-above must be a number, not \"nan\"\n"},
	{"tie --fail-above 1x", 2, "lossd eval: --fail-above must be a number, not \"1x\"\n"},
	{"tie --fail-above ''", 2, "lossd eval: --fail-above must be a number, not \"\"\n"},
	{"tie --fail-above", 2, "lossd eval: --fail-above needs a value\n"},
};

static void losses_above_a_bound_end_with_3(void **state)
{
	static const float zeros[4] = {0}, nans[4] = {NAN, 0, 0, 0};
	static const float infinite[4] = {-HUGE_VALF, 0, 0, 0};
	static const int64_t first[2] = {0, 0};
	static struct output output;
	(void)state;
	WRITE("tie", {"logits", "F32", "2,2", zeros, 16}, {"targets", "I64", "2", first, 16});
	WRITE("nan", {"logits", "F32", "2,2", nans, 16}, {"targets", "I64", "2", first, 16});
	WRITE("infinite", {"logits", "F32", "2,2", infinite, 16},
	      {"targets", "I64", "2", first, 16});
	run(&output,
	    "printf '{\"logits\":[2,0],\"targets\":1}\\n{\"logits\":[0,0],\"targets\":1}\\n' "
	    ">lines.jsonl;",
	    "tie");
	for (size_t i = 0; i < COUNT(bounds); i++) {
		run(&output, "", bounds[i].command);
		bool prints = bounds[i].code != 2 || strstr(bounds[i].err, "no loss to") ||
			      strstr(bounds[i].command, "missing");
		if (output.code != bounds[i].code ||
		    strncmp(output.err, bounds[i].err, strlen(bounds[i].err)) != 0 ||
		    (!*bounds[i].err && *output.err) || prints != (output.out[0] == '{'))
			fail_msg("%s: exit status %d, not %d:\n%s%s", bounds[i].command,
				 output.code, bounds[i].code, output.out, output.err);
	}
	run(&output, "", DIVERGENCE "base candidate --fail-above 0.001");
	assert_int_equal(output.code, 3);
	run(&output, "", DIVERGENCE "base base --fail-above 0");
	assert_int_equal(output.code, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(large_files_take_little_memory),
		cmocka_unit_test(large_arrays_take_little_memory),
		cmocka_unit_test(large_files_of_other_layouts),
		cmocka_unit_test(two_files_are_as_one_with_both),
		cmocka_unit_test(arguments_and_other_tensors),
		cmocka_unit_test(others_are_problems_of_their_own),
		cmocka_unit_test(what_is_wrong_names_its_file),
		cmocka_unit_test(the_other_file_is_named_where_it_is_at_fault),
		cmocka_unit_test(a_file_and_a_pipe_are_the_same),
		cmocka_unit_test(a_file_that_is_cut_meanwhile),
		cmocka_unit_test(losses_above_a_bound_end_with_3),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
