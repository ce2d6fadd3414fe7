#include "eval.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "codec/numpy/numpy_in.h"
#include "codec/safetensors/safetensors_files.h"
#include "codec/safetensors/safetensors_in.h"
#include "codec/text/splitter.h"
#include "problem.h"
#include "source.h"

static const struct loss_error nothing = {.status = LOSS_OK};

/* ---------------------------------------------------------------- what is wrong with a file */

static enum exit_status fail_file(const char *path, const char *why)
{
	fprintf(stderr, "lossd eval: %s: %s\n", path, why);
	return EXIT_USAGE;
}

/* As sentences and replies name it, among several or where it has lines. */
static const char *label_of(const struct eval_options *options, const struct source *source,
			    bool lines)
{
	return options->n_paths > 1 || lines ? source->path : NULL;
}

/* ---------------------------------------------------------------- formats */

static bool ends_with(const char *text, size_t n, const char *ending)
{
	size_t length = strlen(ending);
	return n > length && memcmp(text + n - length, ending, length) == 0;
}

/* What stands after the last dot, but for a coding's ending: "json" of "batch.json.gz". */
static const struct eval_format *format_of_name(const char *path)
{
	const char *name = strrchr(path, '/');
	size_t n = strlen(name ? name = name + 1 : (name = path));
	if (ends_with(name, n, ".gz"))
		n -= 3;
	else if (ends_with(name, n, ".zst"))
		n -= 4;
	size_t dot = n;
	while (dot > 0 && name[dot - 1] != '.')
		dot--;
	return dot > 0 ? eval_format_find(name + dot, n - dot) : NULL;
}

/*
 * What the first bytes say counts, whatever the name; of what they leave open, whether JSON is one
 * problem or one a line, the name. NULL: a format that is not evaluated by itself.
 */
static const struct eval_format *format_of(const struct eval_options *options,
					   const struct source *source)
{
	const struct eval_format *named = format_of_name(source->path);
	const struct signature *found = signature_find(&source->beginning);
	if (options->format)
		return options->format;
	if (found && found->format && !(named && strcmp(named->base, found->format) == 0))
		return eval_format_find(found->format, strlen(found->format));
	if (named)
		return named;
	return source->n == 0 ? eval_format_find("json", 4) : eval_format_find("safetensors", 11);
}

/* ---------------------------------------------------------------- one problem a file */

static enum exit_status end_stream(struct problem *problem, const struct source *source,
				   enum source_status status)
{
	if (status == SOURCE_UNREADABLE) {
		problem_drop(problem);
		return fail_file(source->path, strerror(errno));
	}
	problem->timings.bytes_in = source->bytes_in;
	problem->timings.receive_ns = source->receive_ns;
	problem->timings.decode_ns += source->decode_ns;
	return problem_end(problem, &source->error);
}

/* Where it lies, so that of a large file little is in memory at a time, whatever the order of its
 * tensors, and all threads may compute. */
static enum exit_status evaluate_mapped(const struct eval_options *options, struct source *source,
					const struct media_type *media)
{
	struct problem problem = {.options = options, .file = label_of(options, source, false)};
	problem_begin(&problem, media);
	if (problem_decoder(&problem))
		safetensors_in_set(problem_decoder(&problem), source->bytes, source->n);
	return end_stream(&problem, source, SOURCE_GOOD);
}

static enum exit_status evaluate_stream(const struct eval_options *options, struct source *source,
					const struct media_type *media)
{
	struct problem problem = {.options = options, .file = label_of(options, source, false)};
	enum source_status status = SOURCE_GOOD;
	if (media->create == safetensors_in_create && source_map(source))
		return evaluate_mapped(options, source, media);
	problem_begin(&problem, media);
	while (status == SOURCE_GOOD && source->n > 0) {
		problem_feed(&problem, source->bytes, source->n);
		status = source_next(source);
	}
	return end_stream(&problem, source, status);
}

static enum exit_status evaluate_archive(const struct eval_options *options, struct source *source,
					 const struct media_type *media)
{
	struct problem problem = {.options = options, .file = label_of(options, source, false)};
	problem_begin(&problem, media);
	enum source_status status = source_read_all(source);
	if (status == SOURCE_GOOD && problem_decoder(&problem)) {
		numpy_in_set_archive(problem_decoder(&problem), source->bytes, source->n);
		numpy_in_set_release(problem_decoder(&problem), source_release);
	}
	return end_stream(&problem, source, status);
}

/* ---------------------------------------------------------------- one problem a line */

struct lines {
	const struct eval_options *options;
	const struct source *source;
	const struct media_type *media;
	struct splitter splitter;
	struct problem problem;  /* of this line, once something stands in it */
	struct loss_error found; /* what is wrong with the file, of its last line */
	enum exit_status status;
};

static void begin_line(void *context, size_t line)
{
	struct lines *lines = context;
	lines->problem = (struct problem){.options = lines->options,
					  .file = label_of(lines->options, lines->source, true),
					  .line = line};
	problem_begin(&lines->problem, lines->media);
}

static void feed_line(void *context, const unsigned char *bytes, size_t n)
{
	struct lines *lines = context;
	problem_feed(&lines->problem, bytes, n);
	lines->problem.timings.bytes_in += n;
}

static void end_line(void *context)
{
	struct lines *lines = context;
	lines->status = exit_worse(lines->status, problem_end(&lines->problem, &lines->found));
}

static enum exit_status evaluate_lines(const struct eval_options *options, struct source *source,
				       const struct media_type *media)
{
	struct lines lines = {
		.options = options, .source = source, .media = media, .status = EXIT_GOOD};
	const struct splitter_owner owner = {begin_line, feed_line, end_line, &lines};
	bool corrupt = source->error.status != LOSS_OK;
	enum source_status status = corrupt ? SOURCE_CORRUPT : SOURCE_GOOD;
	splitter_start(&lines.splitter, &owner);
	/* What came before an error of the coding counts. */
	while (status != SOURCE_UNREADABLE && source->n > 0) {
		splitter_feed(&lines.splitter, source->bytes, source->n);
		if (status == SOURCE_CORRUPT)
			break;
		status = source_next(source);
	}
	/* A line that was cut by an error of the coding is wrong by that. */
	lines.found = source->error;
	if (status == SOURCE_CORRUPT && !lines.splitter.begun)
		splitter_feed(&lines.splitter, (const unsigned char *)"{", 1);
	if (status == SOURCE_UNREADABLE && lines.splitter.begun)
		problem_drop(&lines.problem);
	else
		splitter_finish(&lines.splitter);
	return status == SOURCE_UNREADABLE ? fail_file(source->path, strerror(errno))
					   : lines.status;
}

/* ---------------------------------------------------------------- files */

static enum exit_status evaluate_as(const struct eval_options *options, struct source *source,
				    const struct eval_format *format)
{
	const struct media_type *media = &format->protocol->requests[format->media];
	switch (format->way) {
	case EVAL_LINES:
		return evaluate_lines(options, source, media);
	case EVAL_ARCHIVE:
		return evaluate_archive(options, source, media);
	default:
		return evaluate_stream(options, source, media);
	}
}

static enum exit_status evaluate_source(const struct eval_options *options, struct source *source)
{
	const struct eval_format *format = format_of(options, source);
	const struct signature *found = signature_find(&source->beginning);
	char why[256];
	if (format)
		return evaluate_as(options, source, format);
	snprintf(why, sizeof why, "this looks like %s: %s", found->what, found->in_file);
	return fail_file(source->path, why);
}

/* What is wrong with the coding from the first piece on is the problem's to say. */
static enum exit_status refuse_source(const struct eval_options *options, struct source *source)
{
	const struct eval_format *format = format_of(options, source);
	if (format && format->way == EVAL_LINES)
		return evaluate_as(options, source, format);
	struct problem problem = {.options = options, .file = label_of(options, source, false)};
	problem_begin(&problem, protocol_v1.requests);
	return problem_end(&problem, &source->error);
}

/* A file that is open, as far as it could be. */
struct opened {
	struct loss_arena *arena;
	struct source source;
	enum source_status status;
	int error; /* errno, of what is unreadable */
};

static bool open_file(struct opened *opened, const char *path)
{
	opened->arena = loss_arena_create(NULL);
	if (!opened->arena)
		return false;
	opened->status = source_open(&opened->source, path, opened->arena);
	opened->error = errno;
	return true;
}

static void close_file(struct opened *opened)
{
	source_close(&opened->source);
	loss_arena_destroy(opened->arena);
}

static enum exit_status evaluate_opened(const struct eval_options *options, struct opened *opened)
{
	if (opened->status == SOURCE_UNREADABLE)
		return fail_file(opened->source.path, strerror(opened->error));
	return opened->status == SOURCE_GOOD ? evaluate_source(options, &opened->source)
					     : refuse_source(options, &opened->source);
}

static enum exit_status evaluate_file(const struct eval_options *options, const char *path)
{
	struct opened opened;
	if (!open_file(&opened, path))
		return fail_file(path, "there is no memory");
	enum exit_status status = evaluate_opened(options, &opened);
	close_file(&opened);
	return status;
}

/* ---------------------------------------------------------------- two files that are compared */

static bool is_safetensors(const struct eval_options *options, const struct opened *opened)
{
	const struct eval_format *format = format_of(options, &opened->source);
	return format && strcmp(format->base, "safetensors") == 0;
}

/* What the k-th file has under the name that both have. */
static struct safetensors_file part_of(const struct eval_options *options, size_t k,
				       const struct source *source)
{
	const struct eval_pair *pair = options->pair;
	const char *tensor = k == 0 ? pair->first : pair->second;
	return (struct safetensors_file){
		.label = source->path,
		.bytes = source->bytes,
		.n = source->n,
		.name = options->tensor ? options->tensor : pair->second,
		.i = (size_t)loss_find_tensor(options->loss, tensor, strlen(tensor)),
		.instead = k == 0 ? pair->instead : NULL,
	};
}

/* Gives the k-th file to the decoder; false when it can not be read, which has been said. */
static bool add_part(struct problem *problem, size_t k, struct opened *file,
		     struct loss_error *found)
{
	struct source *source = &file->source;
	enum source_status status = file->status;
	if (status == SOURCE_GOOD)
		status = source_read_all(source);
	if (status == SOURCE_UNREADABLE) {
		fail_file(source->path, strerror(errno));
		return false;
	}
	if (status == SOURCE_CORRUPT && found->status == LOSS_OK)
		loss_fail(found, source->error.status, NULL, "%.200s: %.300s", source->path,
			  source->error.detail);
	problem->timings.bytes_in += source->bytes_in;
	problem->timings.receive_ns += source->receive_ns;
	const struct safetensors_file part = part_of(problem->options, k, source);
	if (problem_decoder(problem))
		safetensors_files_add(problem_decoder(problem), &part);
	return true;
}

static enum exit_status evaluate_pair(const struct eval_options *options, struct opened *files)
{
	struct problem problem = {.options = options, .file_of = safetensors_files_label};
	struct loss_error found = nothing;
	problem_begin(&problem, protocol_files.requests + 1);
	for (size_t k = 0; k < 2; k++)
		if (!add_part(&problem, k, &files[k], &found)) {
			problem_drop(&problem);
			return EXIT_USAGE;
		}
	return problem_end(&problem, &found);
}

/* One of two, beside one that is in safetensors. What is recognised tells what to do with it. */
static enum exit_status refuse_format(const struct eval_options *options, struct opened *opened)
{
	return !format_of(options, &opened->source)
		       ? evaluate_opened(options, opened)
		       : fail_file(opened->source.path,
				   "this is not in safetensors, as the file that it is to be "
				   "compared with is");
}

/* Of other formats two files are two problems. */
static enum exit_status evaluate_both(const struct eval_options *options, struct opened *files)
{
	for (size_t k = 0; k < 2; k++)
		if (files[k].status == SOURCE_UNREADABLE)
			return fail_file(files[k].source.path, strerror(files[k].error));
	if (files[0].status == SOURCE_CORRUPT || files[1].status == SOURCE_CORRUPT)
		return evaluate_pair(options, files);
	bool first = is_safetensors(options, &files[0]);
	if (first != is_safetensors(options, &files[1]))
		return refuse_format(options, &files[first ? 1 : 0]);
	if (first)
		return evaluate_pair(options, files);
	enum exit_status status = evaluate_opened(options, &files[0]);
	return exit_worse(status, evaluate_opened(options, &files[1]));
}

static enum exit_status evaluate_two(const struct eval_options *options)
{
	struct opened files[2];
	if (!open_file(&files[0], options->paths[0]))
		return fail_file(options->paths[0], "there is no memory");
	if (!open_file(&files[1], options->paths[1])) {
		close_file(&files[0]);
		return fail_file(options->paths[1], "there is no memory");
	}
	enum exit_status status = evaluate_both(options, files);
	close_file(&files[0]);
	close_file(&files[1]);
	return status;
}

/* ---------------------------------------------------------------- a file a tensor */

/* Opens the k-th and gives it to the decoder; false when it can not be read, which has been said.
 */
static bool add_tensor(struct problem *problem, size_t k, struct source *source,
		       struct loss_arena *arena, struct loss_error *found)
{
	const struct eval_tensor *tensor = &problem->options->tensors[k];
	enum source_status status = source_open(source, tensor->path, arena);
	if (status == SOURCE_GOOD)
		status = source_read_all(source);
	if (status == SOURCE_UNREADABLE) {
		fail_file(tensor->path, strerror(errno));
		return false;
	}
	if (status == SOURCE_CORRUPT)
		*found = source->error;
	problem->timings.bytes_in += source->bytes_in;
	problem->timings.receive_ns += source->receive_ns;
	if (problem_decoder(problem))
		numpy_in_set_array(problem_decoder(problem), tensor->i, tensor->path, source->bytes,
				   source->n);
	return true;
}

static enum exit_status evaluate_tensors(const struct eval_options *options)
{
	struct problem problem = {.options = options};
	struct source sources[LOSS_N_ROLES];
	struct loss_arena *arena = loss_arena_create(NULL);
	struct loss_error found = nothing;
	enum exit_status status = EXIT_USAGE;
	size_t n = 0;
	bool good = arena != NULL;
	problem_begin(&problem, protocol_files.requests);
	if (problem_decoder(&problem))
		numpy_in_set_release(problem_decoder(&problem), source_release);
	while (good && n < options->n_tensors) {
		good = add_tensor(&problem, n, &sources[n], arena, &found);
		n++;
	}
	if (good)
		status = problem_end(&problem, &found);
	else
		problem_drop(&problem);
	while (n > 0)
		source_close(&sources[--n]);
	loss_arena_destroy(arena);
	return status;
}

/* ---------------------------------------------------------------- the command */

static enum exit_status evaluate_all(const struct eval_options *options)
{
	enum exit_status status = EXIT_GOOD;
	if (options->n_tensors > 0)
		return evaluate_tensors(options);
	if (options->pair && options->n_paths == 2)
		return evaluate_two(options);
	for (size_t i = 0; i < options->n_paths; i++)
		status = exit_worse(status, evaluate_file(options, options->paths[i]));
	return status;
}

int eval_main(int argc, char **argv)
{
	struct eval_options options;
	struct loss_arena *arena = loss_arena_create(NULL);
	int status = EXIT_USAGE;
	if (!arena) {
		fputs("lossd eval: there is no memory\n", stderr);
		return EXIT_USAGE;
	}
	enum eval_action action = eval_options_read(&options, arena, argc, argv);
	if (action == EVAL_EXIT_0)
		status = EXIT_GOOD;
	else if (action == EVAL_RUN)
		status = (int)evaluate_all(&options);
	loss_arena_destroy(arena);
	return status;
}
