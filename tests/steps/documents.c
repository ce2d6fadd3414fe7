#include "documents.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../server/codec/json/control.h"
#include "../../server/codec/json/json_in.h"
#include "../../server/codec/oip/oip_in.h"
#include "../../server/codec/query.h"
#include "../../server/codec/safetensors/safetensors_in.h"
#include "../../server/eval/stream.h"
#include "../../server/http/head.h"
#include "../../server/shm/shm_uses.h"

char *document_make(const struct document *document, size_t n, size_t *size)
{
	char *text;
	FILE *stream = open_memstream(&text, size);
	assert_non_null(stream);
	fputs(document->begin, stream);
	for (size_t i = 0; (size_t)ftell(stream) < n; i++)
		for (const char *p = document->unit; *p; p++)
			if (*p == '#')
				fprintf(stream, "%zu", i);
			else
				fputc(*p, stream);
	fputs(document->end, stream);
	fclose(stream);
	return text;
}

/* ---------------------------------------------------------------- bodies */

static struct loss_arena *arena_of(struct loss_problem **problem)
{
	struct loss_arena *arena = loss_arena_create(NULL);
	assert_non_null(arena);
	*problem = loss_problem_create(loss_find("cross_entropy", 13), arena);
	assert_non_null(*problem);
	return arena;
}

/* From the first byte to the plan, or to the error and its place. */
static void decode(struct decoder *decoder, const struct decoder_setup *setup, const char *text,
		   size_t n, size_t piece)
{
	struct loss_error err;
	struct loss_plan *plan;
	char pointer[256];
	for (size_t done = 0; done < n; done += piece)
		decoder->feed(decoder, (const unsigned char *)text + done,
			      piece < n - done ? piece : n - done);
	loss_status status = decoder->finish(decoder, &err);
	if (status == LOSS_OK)
		status = loss_plan_create(setup->problem, setup->arena, &plan, &err);
	if (status != LOSS_OK)
		decoder->pointer(decoder, &err, pointer, sizeof pointer);
}

static struct counts read_body(struct decoder *(*create)(const struct decoder_setup *setup),
			       const char *text, size_t n, size_t piece)
{
	struct decoder_setup setup = {
		.limits = {.max_elements = UINT64_C(1) << 33,
			   .max_rank = LOSS_MAX_RANK,
			   .max_header_bytes = UINT64_C(1) << 33},
	};
	setup.arena = arena_of(&setup.problem);
	struct style style = {.given = 0};
	struct shm_uses shared = {.arena = setup.arena};
	struct stream *stream = stream_create(
		&(struct stream_setup){.problem = setup.problem, .arena = setup.arena});
	assert_non_null(stream);
	setup.sink = stream_sink(stream);
	setup.shared = &shared;
	setup.style = &style;
	struct decoder *decoder = create(&setup);
	assert_non_null(decoder);
	struct counts before = counter_now();
	decode(decoder, &setup, text, n, piece);
	struct counts counts = counter_since(before);
	loss_arena_destroy(setup.arena);
	return counts;
}

struct counts read_json(char *text, size_t n, size_t piece)
{
	return read_body(json_in_create, text, n, piece);
}

struct counts read_oip(char *text, size_t n, size_t piece)
{
	return read_body(oip_in_create, text, n, piece);
}

/* The text is the header; its length goes before it. */
struct counts read_safetensors(char *text, size_t n, size_t piece)
{
	char *body = malloc(sizeof(uint64_t) + n);
	assert_non_null(body);
	for (size_t i = 0; i < sizeof(uint64_t); i++)
		body[i] = (char)((uint64_t)n >> (8 * i) & 0xff);
	memcpy(body + sizeof(uint64_t), text, n);
	struct counts counts = read_body(safetensors_in_create, body, sizeof(uint64_t) + n, piece);
	free(body);
	return counts;
}

/* ---------------------------------------------------------------- what comes whole */

struct counts read_query(char *text, size_t n, size_t piece)
{
	struct loss_problem *problem;
	struct loss_arena *arena = arena_of(&problem);
	struct loss_error err;
	struct query_wish wish;
	(void)piece;
	struct counts before = counter_now();
	query_apply(text, n, problem, arena, &wish, &err);
	struct counts counts = counter_since(before);
	loss_arena_destroy(arena);
	return counts;
}

struct counts read_control(char *text, size_t n, size_t piece)
{
	char key[64];
	uint64_t size;
	const struct control_field fields[] = {
		{"key", CONTROL_TEXT, true, key, sizeof key},
		{"offset", CONTROL_SIZE, false, &size, 0},
		{"byte_size", CONTROL_SIZE, true, &size, 0},
		{"parameters", CONTROL_OBJECT, false, NULL, 0},
	};
	struct loss_error err;
	struct loss_arena *arena = loss_arena_create(NULL);
	struct loss_buffer *body = loss_buffer_create(arena);
	(void)piece;
	assert_true(loss_buffer_append(body, text, n));
	struct counts before = counter_now();
	control_read(body, fields, sizeof fields / sizeof *fields, &err);
	struct counts counts = counter_since(before);
	loss_arena_destroy(arena);
	return counts;
}

/* ---------------------------------------------------------------- heads */

/* Cuts the text into headers. */
static struct header *headers_of(char *text, size_t *n)
{
	size_t lines = 0;
	for (const char *p = text; *p; p++)
		lines += *p == '\n';
	struct header *headers = calloc(lines + 1, sizeof *headers);
	assert_non_null(headers);
	for (*n = 0; *n < lines; ++*n) {
		char *colon = strchr(text, ':'), *end = strchr(text, '\n');
		assert_true(colon && colon < end);
		*colon = *end = '\0';
		headers[*n] = (struct header){text, colon + 1};
		text = end + 1;
	}
	return headers;
}

/* Everything that a request's headers are asked. */
static void read_headers(const struct raw_head *raw, struct loss_arena *arena)
{
	static const char *const types[] = {"application/json", "application/x-safetensors"};
	struct head head = {0};
	struct loss_error err;
	enum content_coding coding;
	uint64_t ms;
	size_t index;
	guard_check(raw, &head.framing, &err);
	head_read(&head, raw->headers, raw->n_headers, arena, &err);
	head_media_type(&head, types, 2, &index, &err);
	head_encoding(&head, &coding, &err);
	head_accept(&head, types, 2, &index, &err);
	head_reply_coding(&head);
	head_timeout(&head, &ms, &err);
}

struct counts read_head(char *text, size_t n, size_t piece)
{
	struct raw_head raw = {
		.method = "POST", .target = "/", .version = "HTTP/1.1", .exact = true};
	struct header *headers = headers_of(text, &raw.n_headers);
	struct loss_arena *arena = loss_arena_create(NULL);
	(void)n;
	(void)piece;
	raw.headers = headers;
	assert_non_null(arena);
	struct counts before = counter_now();
	read_headers(&raw, arena);
	struct counts counts = counter_since(before);
	loss_arena_destroy(arena);
	free(headers);
	return counts;
}
