#include "merge.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bound.h"
#include "codec/json/json_scan.h"
#include "codec/json/totals_in.h"
#include "codec/json/totals_out.h"
#include "problem.h"
#include "source.h"

static void print_help(void)
{
	puts("usage: lossd merge [--fail-above NUMBER] FILE...\n\n"
	     "Merges the totals of parts of a data set, and prints what they come to: the same "
	     "bits\n"
	     "as one evaluation of the whole. FILEs (- for standard input) have replies, of\n"
	     "evaluations with totals=\"exact\" or of this command: a JSON document, or one a "
	     "line.\n"
	     "They may be compressed by gzip or zstd.\n"
	     "The exit status is 0; 1 when a state or a reply is wrong; 2 when the "
	     "command\n"
	     "is, or a file can not be read; 3 when the loss is above NUMBER, or NaN.");
}

static enum exit_status fail(const char *path, size_t line, enum exit_status status,
			     const char *why)
{
	if (line > 0)
		fprintf(stderr, "lossd merge: %s:%zu: %s\n", path, line, why);
	else
		fprintf(stderr, "lossd merge: %s: %s\n", path, why);
	return status;
}

/* ---------------------------------------------------------------- files */

static bool is_blank(const unsigned char *bytes, size_t n)
{
	size_t blank = 0;
	while (blank < n && memchr(" \t\r\n", bytes[blank], 4))
		blank++;
	return blank == n;
}

static size_t line_length(const unsigned char *bytes, size_t n)
{
	/* Of an empty file there are no bytes to point at. */
	const unsigned char *end = n > 0 ? memchr(bytes, '\n', n) : NULL;
	return end ? (size_t)(end - bytes) : n;
}

static void skip(void *context, const struct json_token *token)
{
	(void)context;
	(void)token;
}

static bool is_document(struct loss_arena *arena, const unsigned char *bytes, size_t n)
{
	const struct json_scan_owner owner = {.token = skip};
	struct json_scan scan;
	json_scan_start(&scan, arena, &owner);
	json_scan_feed(&scan, (const char *)bytes, n);
	return json_scan_finish(&scan, NULL) == LOSS_OK;
}

/* Whether there is a document a line: the first one with something is one. */
static bool has_lines(const struct source *source)
{
	const unsigned char *bytes = source->bytes;
	size_t n = source->n, line = line_length(bytes, n);
	while (line < n && is_blank(bytes, line)) {
		bytes += line + 1;
		n -= line + 1;
		line = line_length(bytes, n);
	}
	return line < n && is_document(source->arena, bytes, line);
}

static enum exit_status merge_text(struct totals_in *in, const struct source *source, size_t line,
				   const unsigned char *bytes, size_t n)
{
	struct loss_error err;
	totals_in_feed(in, bytes, n);
	return totals_in_end(in, &err) == LOSS_OK
		       ? EXIT_GOOD
		       : fail(source->path, line, EXIT_PROBLEM, err.detail);
}

static enum exit_status merge_lines(struct totals_in *in, const struct source *source)
{
	enum exit_status status = EXIT_GOOD;
	const unsigned char *bytes = source->bytes;
	size_t n = source->n;
	for (size_t line = 1; n > 0 && status == EXIT_GOOD; line++) {
		size_t length = line_length(bytes, n), whole = length + (length < n);
		if (!is_blank(bytes, length))
			status = merge_text(in, source, line, bytes, length);
		bytes += whole;
		n -= whole;
	}
	return status;
}

static enum exit_status merge_source(struct totals_in *in, struct source *source)
{
	enum source_status read = source_read_all(source);
	if (read == SOURCE_UNREADABLE)
		return fail(source->path, 0, EXIT_USAGE, strerror(errno));
	if (read == SOURCE_CORRUPT)
		return fail(source->path, 0, EXIT_PROBLEM, source->error.detail);
	if (has_lines(source))
		return merge_lines(in, source);
	return merge_text(in, source, 0, source->bytes, source->n);
}

static enum exit_status merge_file(struct totals_in *in, const char *path)
{
	struct loss_arena *arena = loss_arena_create(NULL);
	struct source source;
	enum exit_status status;
	if (!arena)
		return fail(path, 0, EXIT_USAGE, "there is no memory");
	enum source_status opened = source_open(&source, path, arena);
	if (opened == SOURCE_GOOD)
		status = merge_source(in, &source);
	else if (opened == SOURCE_UNREADABLE)
		status = fail(path, 0, EXIT_USAGE, strerror(errno));
	else
		status = fail(path, 0, EXIT_PROBLEM, source.error.detail);
	source_close(&source);
	loss_arena_destroy(arena);
	return status;
}

/* ---------------------------------------------------------------- the command */

static enum exit_status print(struct totals_in *in, const struct bound *bound,
			      struct loss_arena *arena)
{
	struct loss_result result;
	struct loss_error err;
	struct json_out out;
	struct loss_buffer *text = loss_buffer_create(arena);
	if (!text || totals_in_finish(in, &result, &err) != LOSS_OK)
		return fail("totals", 0, EXIT_PROBLEM, text ? err.detail : "there is no memory");
	json_out_start(&out, text);
	totals_out_put(&out, &result);
	if (out.failed || fwrite(text->data, 1, text->size, stdout) != text->size ||
	    fflush(stdout) != 0)
		return fail("standard output", 0, EXIT_USAGE,
			    out.failed ? "there is no memory" : strerror(errno));
	/* Merging gives a mean in any case. */
	return bound_exceeded(bound, bound_loss(&result)) ? EXIT_ABOVE : EXIT_GOOD;
}

static enum exit_status merge_all(struct loss_arena *arena, const struct bound *bound, int n,
				  char **paths)
{
	struct totals_in *in = totals_in_create(arena, UINT64_MAX);
	enum exit_status status = EXIT_GOOD;
	if (!in)
		return fail("start", 0, EXIT_USAGE, "there is no memory");
	for (int i = 0; i < n && status == EXIT_GOOD; i++)
		status = merge_file(in, paths[i]);
	return status == EXIT_GOOD ? print(in, bound, arena) : status;
}

/* Whether it is an option: a lone "-" is standard input. */
static bool is_option(const char *argument)
{
	return argument[0] == '-' && argument[1] != '\0';
}

static bool complain(const char *format, const char *shown)
{
	fprintf(stderr, format, shown);
	return false;
}

/* The option argv[*i], and its value, which may be the next. */
static bool read_option(int argc, char **argv, int *i, struct bound *bound)
{
	static const char name[] = "--fail-above";
	const char *option = argv[*i], *value = option + sizeof name;
	bool joined = strncmp(option, "--fail-above=", sizeof name) == 0;
	if (!joined && strcmp(option, name) != 0)
		return complain("lossd merge: there is no option %.80s; lossd merge --help says "
				"how it is used\n",
				option);
	if (!joined)
		value = *i + 1 < argc ? argv[++*i] : "";
	return bound_read(bound, value) ||
	       complain("lossd merge: --fail-above must be a number, not \"%.40s\"\n", value);
}

/* Moves the files to the front of argv, and returns how many there are; -1 where an option is
 * wrong. */
static int read_arguments(int argc, char **argv, struct bound *bound)
{
	int n = 0;
	bool options = true;
	for (int i = 1; i < argc; i++) {
		if (options && strcmp(argv[i], "--") == 0)
			options = false;
		else if (!options || !is_option(argv[i]))
			argv[n++] = argv[i];
		else if (!read_option(argc, argv, &i, bound))
			return -1;
	}
	return n;
}

static bool wants_help(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return true;
	return false;
}

int merge_main(int argc, char **argv)
{
	struct bound bound = {0};
	enum exit_status status;
	if (wants_help(argc, argv)) {
		print_help();
		return EXIT_GOOD;
	}
	int n = read_arguments(argc, argv, &bound);
	if (n < 0)
		return EXIT_USAGE;
	if (n == 0) {
		fputs("lossd merge: which FILE? lossd merge --help says how it is used\n", stderr);
		return EXIT_USAGE;
	}
	struct loss_arena *arena = loss_arena_create(NULL);
	status = arena ? merge_all(arena, &bound, n, argv) : EXIT_USAGE;
	loss_arena_destroy(arena);
	return (int)status;
}
