#include "eval.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "eval/evaluation.h"
#include "eval_options.h"
#include "status/status.h"

/* Nobody who calls this has to be guarded against: the limits are the library's own. */
#define MAX_ELEMENTS (UINT64_C(1) << 40)
#define MAX_HEADER_BYTES (UINT64_C(16) << 20)

#define READ_BYTES ((size_t)1 << 18)

enum { EXIT_GOOD, EXIT_PROBLEM, EXIT_USAGE };

struct run {
	const struct eval_options *options;
	struct loss_arena *arena;
	struct timings timings;
	int file;
	unsigned char *bytes; /* the last READ_BYTES or fewer */
	size_t n;
};

/* ---------------------------------------------------------------- the file */

static int fail_file(const struct run *run)
{
	fprintf(stderr, "lossd eval: %s: %s\n", run->options->path, strerror(errno));
	return EXIT_USAGE;
}

static bool open_file(struct run *run)
{
	const char *path = run->options->path;
	run->file = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	return run->file >= 0;
}

/* Fills run->bytes, but at the end of the file; false when the file can not be read. */
static bool read_some(struct run *run)
{
	uint64_t start = clock_ns();
	run->n = 0;
	while (run->n < READ_BYTES) {
		ssize_t got = read(run->file, run->bytes + run->n, READ_BYTES - run->n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return false;
		if (got == 0)
			break;
		run->n += (size_t)got;
	}
	run->timings.bytes_in += run->n;
	run->timings.receive_ns += clock_ns() - start;
	return true;
}

/* ---------------------------------------------------------------- its format */

static bool is_gzip(const struct run *run)
{
	return run->n >= 2 && run->bytes[0] == 0x1f && run->bytes[1] == 0x8b;
}

/* What stands after the last dot, but for .gz: "json" of "batch.json.gz". */
static const struct media_type *format_of_name(const char *path)
{
	const char *name = strrchr(path, '/');
	size_t n = strlen(name ? name = name + 1 : (name = path));
	if (n > 3 && strcmp(name + n - 3, ".gz") == 0)
		n -= 3;
	size_t dot = n;
	while (dot > 0 && name[dot - 1] != '.')
		dot--;
	return dot > 0 ? eval_format_find(name + dot, n - dot) : NULL;
}

/* JSON begins with a bracket or white space, which a safetensors header of fewer than 2^56 bytes
 * may have as its length's first byte as well. What is compressed is more likely JSON. */
static const struct media_type *format_of_bytes(const struct run *run)
{
	if (is_gzip(run))
		return eval_format_find("json", 4);
	bool json = run->n == 0 || memchr("{[ \t\r\n", run->bytes[0], 6);
	bool raw = run->n > 8 && run->bytes[7] == 0 && run->bytes[8] == '{';
	return json && !raw ? eval_format_find("json", 4) : eval_format_find("safetensors", 11);
}

static const struct media_type *format_of(const struct run *run)
{
	const struct media_type *media = run->options->media;
	if (!media)
		media = format_of_name(run->options->path);
	return media ? media : format_of_bytes(run);
}

/* ---------------------------------------------------------------- the evaluation */

static struct evaluation *create(struct run *run, struct loss_error *err)
{
	const struct eval_options *options = run->options;
	const struct evaluation_kind kind = {
		.loss = options->loss,
		.media = format_of(run),
		.format = protocol_v1.replies,
		.isa = options->isa,
		.coding = is_gzip(run) ? CODING_GZIP : CODING_IDENTITY,
		.max_body_bytes = UINT64_MAX,
		.limits = {MAX_ELEMENTS, LOSS_MAX_RANK, MAX_HEADER_BYTES, true},
	};
	struct evaluation *e = evaluation_create(&kind, run->arena, &run->timings);
	if (!e)
		loss_arena_failure(run->arena, err);
	return e;
}

/* Reads the file to its end. Of what is wrong with arguments and file, what takes
 * precedence counts. */
static bool decode(struct run *run, struct evaluation *e, struct loss_error *err)
{
	const struct loss_buffer *query = run->options->query;
	struct loss_error found;
	loss_status status = evaluation_query(e, (const char *)query->data, query->size, err);
	while (e->decoder && run->n > 0) {
		evaluation_feed(e, run->bytes, run->n);
		if (!read_some(run))
			return false;
	}
	if (e->decoder && evaluation_decode(e, &found) != LOSS_OK &&
	    status_precedes(found.status, status))
		*err = found;
	return true;
}

static loss_status compute(struct run *run, struct evaluation *e, struct loss_error *err)
{
	int threads = run->options->threads;
	enum encoder_end end = ENCODER_MORE;
	if (evaluation_plan(e, err) == LOSS_OK &&
	    evaluation_run(e, evaluation_is_large(e) ? threads : 1, err) == LOSS_OK)
		while (end == ENCODER_MORE)
			end = evaluation_write(e, err);
	return err->status;
}

static int print(const struct body *body)
{
	bool good = true;
	for (size_t i = 0; good && i < body->n_parts; i++) {
		const struct body_part *part = &body->parts[i];
		good = fwrite(part->data, 1, part->size, stdout) == part->size;
	}
	if (good && putchar('\n') != EOF && fflush(stdout) == 0)
		return EXIT_GOOD;
	fprintf(stderr, "lossd eval: standard output: %s\n", strerror(errno));
	return EXIT_USAGE;
}

static int say(const struct loss_error *err)
{
	fprintf(stderr, "lossd eval: %s: %s\n", status_words(err->status)->code, err->detail);
	return EXIT_PROBLEM;
}

static int evaluate(struct run *run)
{
	struct loss_error err = {.status = LOSS_OK};
	if (!read_some(run))
		return fail_file(run);
	struct evaluation *e = create(run, &err);
	if (!e)
		return say(&err);
	bool read_all = decode(run, e, &err);
	if (read_all && err.status == LOSS_OK)
		compute(run, e, &err);
	int status = !read_all               ? fail_file(run)
		     : err.status == LOSS_OK ? print(&e->body)
					     : say(&err);
	evaluation_end(e);
	return status;
}

int eval_main(int argc, char **argv)
{
	struct eval_options options;
	struct run run = {.options = &options, .arena = loss_arena_create(NULL)};
	int status = EXIT_USAGE;
	if (run.arena)
		run.bytes = loss_arena_array(run.arena, unsigned char, READ_BYTES);
	if (!run.bytes) {
		fputs("lossd eval: there is no memory\n", stderr);
		loss_arena_destroy(run.arena);
		return EXIT_USAGE;
	}
	enum eval_action action = eval_options_read(&options, run.arena, argc, argv);
	run.timings.start_ns = clock_ns();
	if (action == EVAL_EXIT_0)
		status = EXIT_GOOD;
	else if (action == EVAL_RUN)
		status = open_file(&run) ? evaluate(&run) : fail_file(&run);
	loss_arena_destroy(run.arena);
	return status;
}
