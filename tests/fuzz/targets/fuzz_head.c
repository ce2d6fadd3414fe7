/*
 * Heads: "METHOD TARGET VERSION\n", header lines. Target, query string, framing and the meaning of
 * every header, each for itself, whatever is wrong with the others.
 */
#include <stdlib.h>
#include <string.h>

#include "../../../server/auth/cors.h"
#include "../../../server/codec/query.h"
#include "../../../server/http/access.h"
#include "../../../server/http/head.h"
#include "../../../server/http/target.h"
#include "../../../server/route/routes.h"
#include "driver.h"

/* A status that is returned is the error's. */
static void judge(loss_status status, const struct loss_error *err)
{
	fuzz_check(status == (status == LOSS_OK ? LOSS_OK : err->status), "status %d, but error %d",
		   (int)status, (int)err->status);
	if (status != LOSS_OK)
		fuzz_check_error(err, "");
}

static bool is_token(const char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			return false;
	return true;
}

static void check_framing(const struct raw_head *raw)
{
	struct framing framing;
	struct loss_error err = {.status = LOSS_OK};
	loss_status status = guard_check(raw, &framing, &err);
	judge(status, &err);
	if (status != LOSS_OK)
		return;
	size_t lengths = 0, codings = 0;
	for (size_t i = 0; i < raw->n_headers; i++) {
		lengths += strcasecmp(raw->headers[i].name, "Content-Length") == 0;
		codings += strcasecmp(raw->headers[i].name, "Transfer-Encoding") == 0;
	}
	fuzz_check(lengths + codings <= 1, "%zu lengths and %zu codings pass", lengths, codings);
	fuzz_check(framing.has_length == (lengths == 1), "a length is forgotten");
	fuzz_check(framing.chunked == (codings == 1), "a coding is forgotten");
}

static void check_types(const struct head *head, const struct protocol *protocol)
{
	const char *names[MEDIA_TYPES_MAX] = {NULL};
	size_t n = 0, chosen = 0;
	struct loss_error err = {.status = LOSS_OK};
	for (; protocol->requests[n].name; n++)
		names[n] = protocol->requests[n].name;
	judge(head_media_type(head, names, n, &chosen, &err), &err);
	fuzz_check(chosen < n, "media type %zu of %zu", chosen, n);
	for (n = 0; protocol->replies[n].content_type; n++)
		names[n] = protocol->replies[n].content_type;
	judge(head_accept(head, names, n, &chosen, &err), &err);
	fuzz_check(chosen < n, "reply %zu of %zu", chosen, n);
}

static const struct config loopback = {.hosts = "loopback,a.example:80", .cors_origins = "none"};

static void check_headers(const struct raw_head *raw, struct loss_arena *arena)
{
	struct head head;
	struct loss_error err = {.status = LOSS_OK};
	enum content_coding coding;
	uint64_t ms = 0;
	memset(&head, 0, sizeof head);
	judge(head_read(&head, raw->headers, raw->n_headers, arena, &err), &err);
	check_types(&head, &protocol_v1);
	check_types(&head, &protocol_v2);
	judge(head_encoding(&head, &coding, &err), &err);
	judge(head_timeout(&head, &ms, &err), &err);
	fuzz_check(ms <= 3600000, "a timeout of %llu ms", (unsigned long long)ms);
	head_reply_coding(&head);
	cors_allow("https://app.example,http://localhost:3000", head.origin);
	judge(access_check_host(&head, &loopback, &err), &err);
	judge(access_check_origin(&head, &loopback, "/", &err), &err);
	/* These stand in the reply. */
	fuzz_check(!head.request_id ||
			   (is_token(head.request_id) && strlen(head.request_id) <= HEAD_MAX_ID),
		   "an id that may not be echoed");
	fuzz_check(!head.traceparent || is_token(head.traceparent), "a bad traceparent");
	fuzz_check(!head.tracestate || is_token(head.tracestate), "a bad tracestate");
}

/* Of every loss, from a copy that ends where it says. */
static void check_query(const struct target *target, struct loss_arena *arena)
{
	const struct loss_info *loss;
	char *copy = malloc(target->n_query);
	fuzz_check(copy != NULL || target->n_query == 0, "no memory for a query");
	if (target->n_query > 0)
		memcpy(copy, target->query, target->n_query);
	for (size_t i = 0; (loss = loss_at(i)); i++) {
		struct loss_error err = {.status = LOSS_OK};
		struct query_wish wish;
		struct loss_problem *problem = loss_problem_create(loss, arena);
		fuzz_check(problem != NULL, "no memory for a problem");
		judge(query_apply(copy, target->n_query, problem, arena, &wish, &err), &err);
	}
	free(copy);
}

static void check_target(const char *text, struct loss_arena *arena)
{
	struct target target;
	struct route_argument arguments[ROUTE_MAX_ARGUMENTS];
	fuzz_check(target_split(text, arena, &target), "no memory for a target");
	fuzz_check(target.n_path + target.n_query <= strlen(text) + 1, "a target that grew");
	route_find(routes, target.path, target.n_path, arguments);
	check_query(&target, arena);
}

void fuzz_head(const unsigned char *bytes, size_t n)
{
	static struct fuzz_head head;
	struct fuzz_input input = {bytes, n};
	struct loss_arena *arena = loss_arena_create(NULL);
	fuzz_check(arena != NULL, "no memory for an arena");
	fuzz_read_head(&input, &head);
	route_method(head.raw.method);
	check_framing(&head.raw);
	check_headers(&head.raw, arena);
	check_target(head.raw.target, arena);
	loss_arena_destroy(arena);
}
