#include "workload.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../support/random.h"

#define MOST_BYTES ((size_t)256 << 20) /* of all bodies that are made */

/* ---------------------------------------------------------------- bytes */

static bool text_reserve(struct text *text, size_t n)
{
	if (text->n + n < text->room)
		return !text->failed;
	size_t room = 2 * text->room > text->n + n ? 2 * text->room : text->n + n + 64;
	char *bytes = text->failed ? NULL : realloc(text->bytes, room);
	text->failed = !bytes;
	if (!bytes)
		return false;
	text->bytes = bytes;
	text->room = room;
	return true;
}

void text_put(struct text *text, const void *bytes, size_t n)
{
	if (n == 0 || !text_reserve(text, n))
		return;
	memcpy(text->bytes + text->n, bytes, n);
	text->n += n;
}

void text_print(struct text *text, const char *format, ...)
{
	char line[512];
	va_list arguments;
	va_start(arguments, format);
	int n = vsnprintf(line, sizeof line, format, arguments);
	va_end(arguments);
	text_put(text, line, n > 0 && (size_t)n < sizeof line ? (size_t)n : 0);
}

/* ---------------------------------------------------------------- bodies that are made */

static bool make_body(struct body *body, const struct options *options, struct random *random)
{
	struct text text = {0};
	bool made = true;
	size_t lines = options->format == FORMAT_JSONL ? options->lines : 1;
	body->type = format_types[options->format];
	body->losses = calloc(lines, sizeof *body->losses);
	for (; made && body->losses && body->n_losses < lines; body->n_losses++)
		made = problem_make(options, random, &text, &body->losses[body->n_losses]);
	body->known = true;
	body->bytes = text.bytes;
	body->n = text.n;
	if (made && (text.failed || !body->losses))
		fputs("lossd-load: no memory for the bodies\n", stderr);
	return made && !text.failed && body->losses;
}

static bool make_bodies(struct workload *workload, const struct options *options)
{
	struct random random = {.state = options->seed, .seed = options->seed};
	size_t bytes = 0;
	while (workload->n < options->bodies && (workload->n == 0 || bytes < MOST_BYTES)) {
		struct body *body = &workload->bodies[workload->n++];
		if (!make_body(body, options, &random))
			return false;
		bytes += body->n;
		if (bytes + body->n > MOST_BYTES)
			break;
	}
	return true;
}

/* ---------------------------------------------------------------- files */

static const char *type_of(const char *path)
{
	static const struct {
		const char *end;
		enum format format;
	} ends[] = {
		{".json", FORMAT_JSON},
		{".jsonl", FORMAT_JSONL},
		{".safetensors", FORMAT_SAFETENSORS},
	};
	const char *end = strrchr(path, '.');
	for (size_t i = 0; end && i < sizeof ends / sizeof ends[0]; i++)
		if (strcmp(end, ends[i].end) == 0)
			return format_types[ends[i].format];
	return NULL;
}

static bool read_file(FILE *in, struct text *text)
{
	char piece[65536];
	size_t n;
	while ((n = fread(piece, 1, sizeof piece, in)) > 0)
		text_put(text, piece, n);
	return !ferror(in) && !text->failed;
}

static bool take_file(struct body *body, const char *path)
{
	struct text text = {0};
	body->type = type_of(path);
	if (!body->type) {
		fprintf(stderr,
			"lossd-load: %s: its name must end with .json, .jsonl or "
			".safetensors\n",
			path);
		return false;
	}
	FILE *in = fopen(path, "rb");
	bool done = in && read_file(in, &text);
	if (!done)
		fprintf(stderr, "lossd-load: %s: %s\n", path, strerror(errno));
	if (in)
		fclose(in);
	body->bytes = text.bytes;
	body->n = text.n;
	return done;
}

static bool take_files(struct workload *workload, const struct options *options)
{
	while (workload->n < options->n_files) {
		struct body *body = &workload->bodies[workload->n];
		if (!take_file(body, options->files[workload->n++]))
			return false;
	}
	return true;
}

/* ---------------------------------------------------------------- replies */

/* The next loss of a reply; NULL where there is none. */
static const char *next_loss(const struct workload *workload, const char *at, double *loss)
{
	static const char member[] = "\"loss\":";
	const char *found = strstr(at, member);
	if (!found)
		return NULL;
	const char *text = found + sizeof member - 1;
	text += *text == '"'; /* of those that are not finite */
	char *end;
	*loss = workload->wide ? strtod(text, &end) : (double)strtof(text, &end);
	return end == text ? NULL : end;
}

static bool same(double one, double other)
{
	return isnan(one) ? isnan(other) : one == other && signbit(one) == signbit(other);
}

/* The first reply to a file says what the others must be. */
static bool learn(struct workload *workload, struct body *body, const char *reply)
{
	double loss;
	size_t n = 0;
	for (const char *at = reply; (at = next_loss(workload, at, &loss)) != NULL;)
		n++;
	body->losses = calloc(n + 1, sizeof *body->losses);
	if (!body->losses)
		return false;
	for (const char *at = reply; (at = next_loss(workload, at, &loss)) != NULL;)
		body->losses[body->n_losses++] = loss;
	atomic_store(&body->known, true);
	return n > 0;
}

static bool known(struct workload *workload, struct body *body, const char *reply)
{
	if (atomic_load(&body->known))
		return true;
	pthread_mutex_lock(&workload->learning);
	bool done = atomic_load(&body->known) || learn(workload, body, reply);
	pthread_mutex_unlock(&workload->learning);
	return done;
}

bool workload_check(struct workload *workload, struct body *body, const char *reply)
{
	const char *at = reply;
	double loss;
	if (!known(workload, body, reply))
		return false;
	for (size_t i = 0; i < body->n_losses; i++) {
		at = next_loss(workload, at, &loss);
		if (!at || !same(loss, body->losses[i]))
			return false;
	}
	return body->n_losses > 0 && !next_loss(workload, at, &loss);
}

/* ---------------------------------------------------------------- all of it */

bool workload_make(struct workload *workload, const struct options *options)
{
	size_t n = options->n_files ? options->n_files : options->bodies;
	*workload = (struct workload){.learning = PTHREAD_MUTEX_INITIALIZER};
	workload->wide = options->dtype == LOSS_F64 || options->n_files > 0;
	workload->bodies = calloc(n, sizeof *workload->bodies);
	if (!workload->bodies) {
		fputs("lossd-load: no memory for the bodies\n", stderr);
		return false;
	}
	return options->n_files ? take_files(workload, options) : make_bodies(workload, options);
}

void workload_drop(struct workload *workload)
{
	for (size_t i = 0; workload->bodies && i < workload->n; i++) {
		free(workload->bodies[i].bytes);
		free(workload->bodies[i].losses);
	}
	free(workload->bodies);
}

static bool write_body(const struct body *body, const char *path)
{
	FILE *out = fopen(path, "wb");
	bool done = out && fwrite(body->bytes, 1, body->n, out) == body->n;
	done = out && fclose(out) == 0 && done;
	if (!done)
		fprintf(stderr, "lossd-load: %s: %s\n", path, strerror(errno));
	return done;
}

bool workload_write(const struct workload *workload, const struct options *options)
{
	for (size_t i = 0; i < workload->n; i++) {
		char path[4096];
		snprintf(path, sizeof path, "%s/%04zu.%s", options->write_to, i,
			 format_names[options->format]);
		if (!write_body(&workload->bodies[i], path))
			return false;
		puts(path);
	}
	return true;
}
