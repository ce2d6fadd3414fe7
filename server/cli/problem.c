#include "problem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "codec/json/json_out.h"
#include "codec/text/utf8.h"
#include "source.h"
#include "status/status.h"

/* Nobody who calls this has to be guarded against: the limits are the library's own. */
#define MAX_ELEMENTS (UINT64_C(1) << 40)
#define MAX_HEADER_BYTES (UINT64_C(16) << 20)

void problem_begin(struct problem *problem, const struct media_type *media)
{
	const struct eval_options *options = problem->options;
	const struct evaluation_kind kind = {
		.loss = options->loss,
		.media = media,
		.format = protocol_v1.replies,
		.isa = options->isa,
		.max_body_bytes = UINT64_MAX,
		.limits = {MAX_ELEMENTS, LOSS_MAX_RANK, MAX_HEADER_BYTES, true},
	};
	problem->err.status = LOSS_OK;
	problem->timings = (struct timings){.start_ns = clock_ns()};
	problem->arena = loss_arena_create(NULL);
	problem->evaluation =
		problem->arena ? evaluation_create(&kind, problem->arena, &problem->timings) : NULL;
	if (problem->evaluation)
		evaluation_query(problem->evaluation, (const char *)options->query->data,
				 options->query->size, &problem->err);
	else
		loss_fail(&problem->err, LOSS_OUT_OF_MEMORY, NULL, "there is no memory");
}

struct decoder *problem_decoder(struct problem *problem)
{
	return problem->evaluation ? problem->evaluation->decoder : NULL;
}

void problem_feed(struct problem *problem, const unsigned char *bytes, size_t n)
{
	if (problem_decoder(problem) && n > 0)
		evaluation_feed(problem->evaluation, bytes, n);
}

/* ---------------------------------------------------------------- what is printed */

/* The file that its tensor is from, which the library does not know. */
static const char *file_of(const struct problem *problem, const struct loss_error *err)
{
	if (!problem->file_of || !problem->planned)
		return NULL;
	return problem->file_of(problem->evaluation->decoder, err->field);
}

/* Where it is: "FILE:LINE: ", after whose line its text has no other. */
static void say(const struct problem *problem, const struct loss_error *err)
{
	static const char first_line[] = "line 1, ";
	char text[sizeof err->detail], *detail = text;
	/* What it has of a file is not to command the terminal. */
	memcpy(text, err->detail, sizeof text);
	utf8_tame(text);
	if (problem->line && strncmp(detail, first_line, sizeof first_line - 1) == 0)
		detail += sizeof first_line - 1;
	if (problem->line)
		fprintf(stderr, "%s:%zu: ", problem->file, problem->line);
	else
		fprintf(stderr, "%s: ", problem->file ? problem->file : "lossd eval");
	const char *of = file_of(problem, err);
	fprintf(stderr, "%s: %s%s%s\n", status_words(err->status)->code, of ? of : "",
		of ? ": " : "", detail);
}

static void say_all(const struct problem *problem)
{
	for (const struct loss_error *err = &problem->err; err; err = err->more)
		say(problem, err);
}

/* The members that say which problem a reply is of, in place of its first bracket. */
static const struct loss_buffer *label(const struct problem *problem)
{
	struct loss_buffer *text = loss_buffer_create(problem->arena);
	struct json_out out;
	if (!text)
		return NULL;
	json_out_start(&out, text);
	json_out_open(&out, '{');
	if (problem->options->n_paths > 1)
		json_out_string_member(&out, "file", problem->file);
	if (problem->line)
		json_out_size_member(&out, "line", problem->line);
	return !out.failed && loss_buffer_append(text, ",", 1) ? text : NULL;
}

static bool put(const void *bytes, size_t n)
{
	return fwrite(bytes, 1, n, stdout) == n;
}

static enum exit_status print(struct problem *problem)
{
	const struct body *body = &problem->evaluation->body;
	const struct loss_buffer *before = problem->file ? label(problem) : NULL;
	size_t skipped = before ? 1 : 0; /* the bracket */
	bool good = !before || put(before->data, before->size);
	for (size_t i = 0; good && i < body->n_parts; i++, skipped = 0)
		good = put((const char *)body->parts[i].data + skipped,
			   body->parts[i].size - skipped);
	if (good && fflush(stdout) == 0)
		return EXIT_GOOD;
	fprintf(stderr, "lossd eval: standard output: %s\n", strerror(errno));
	return EXIT_USAGE;
}

/* ---------------------------------------------------------------- the end */

/* Of what is wrong with arguments and file, what takes precedence counts. */
static void decode(struct problem *problem, const struct loss_error *found)
{
	struct loss_error err = *found;
	timings_begin(&problem->timings);
	if (problem_decoder(problem) && err.status == LOSS_OK)
		evaluation_decode(problem->evaluation, &err);
	if (err.status != LOSS_OK && status_precedes(err.status, problem->err.status))
		problem->err = err;
}

/* Of files that are read from where they lie so much is in memory at a time, more or less. */
#define WINDOW_BYTES 33554432.0

/* What is computed between two times that they are let go of. */
static uint64_t window_ns(const struct evaluation *e)
{
	double windows = (double)source_mapped() / WINDOW_BYTES;
	double ns = (double)evaluation_cost_ns(e) / windows;
	return windows <= 1.0 ? UINT64_MAX : ns > 1.0 ? (uint64_t)ns : 1;
}

static loss_status run(struct problem *problem)
{
	struct evaluation *e = problem->evaluation;
	int threads = evaluation_is_large(e) ? problem->options->threads : 1;
	uint64_t ns = window_ns(e);
	loss_status status = LOSS_OK;
	while (status == LOSS_OK && !e->result) {
		source_release();
		status = evaluation_run(e, threads, ns, &problem->err);
	}
	return status;
}

static void compute(struct problem *problem)
{
	struct evaluation *e = problem->evaluation;
	struct loss_error *err = &problem->err;
	enum encoder_end end = ENCODER_MORE;
	problem->planned = true;
	if (evaluation_plan(e, err) == LOSS_OK && run(problem) == LOSS_OK)
		while (end == ENCODER_MORE)
			end = evaluation_write(e, err);
}

/* ---------------------------------------------------------------- the bound */

enum exit_status exit_worse(enum exit_status a, enum exit_status b)
{
	static const int severity[] = {
		[EXIT_GOOD] = 0, [EXIT_ABOVE] = 1, [EXIT_PROBLEM] = 2, [EXIT_USAGE] = 3};
	return severity[a] > severity[b] ? a : b;
}

static enum exit_status say_no_loss(void)
{
	fputs("lossd eval: --fail-above: there is no loss to compare: outputs must have \"loss\", "
	      "and reduction be \"mean\" or \"sum\"\n",
	      stderr);
	return EXIT_USAGE;
}

static enum exit_status compare(const struct problem *problem)
{
	const struct loss_tensor *loss = bound_loss(problem->evaluation->result);
	if (!loss)
		return say_no_loss();
	return bound_exceeded(&problem->options->bound, loss) ? EXIT_ABOVE : EXIT_GOOD;
}

/* Whatever came of it, some of it was read as zeros. */
static enum exit_status say_cut(const char *path)
{
	fprintf(stderr, "lossd eval: %s: the file was cut while it was read\n", path);
	return EXIT_USAGE;
}

enum exit_status problem_end(struct problem *problem, const struct loss_error *found)
{
	enum exit_status status = EXIT_PROBLEM;
	decode(problem, found);
	if (problem->err.status == LOSS_OK)
		compute(problem);
	const char *cut = source_cut();
	if (cut)
		status = say_cut(cut);
	else if (problem->err.status == LOSS_OK)
		status = print(problem);
	else
		say_all(problem);
	if (status == EXIT_GOOD && problem->options->bound.given)
		status = compare(problem);
	problem_drop(problem);
	return status;
}

void problem_drop(struct problem *problem)
{
	if (problem->evaluation)
		evaluation_end(problem->evaluation);
	loss_arena_destroy(problem->arena);
	problem->evaluation = NULL;
	problem->arena = NULL;
}
