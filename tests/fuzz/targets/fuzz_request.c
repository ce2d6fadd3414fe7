/*
 * Whole requests without a socket: "METHOD TARGET VERSION\n", header lines, an empty line, the
 * body. Everything between libmicrohttpd and the reply's bytes, as connection.c drives it.
 */
#include <semaphore.h>
#include <string.h>
#include <sys/socket.h>

#include "../../../server/eval/evaluation.h"
#include "../../../server/http/exchange.h"
#include "../../../server/http/intake.h"
#include "../../../server/route/evaluate.h"
#include "../../../server/route/routes.h"
#include "driver.h"

static struct server server;
static struct reaper_entry *entry; /* of a connection on which nothing is ever sent */

static void start(void)
{
	int sockets[2];
	struct loss_arena *arena = loss_arena_create(NULL);
	fuzz_check(arena != NULL, "no memory for a server");
	fuzz_settings(&server.config);
	server.budget = loss_budget_create((size_t)1 << 30);
	server.reserve = loss_budget_create(SERVER_RESERVE_BYTES);
	fuzz_check(server.budget && server.reserve, "no memory for budgets");
	server.reaper = reaper_start(arena, &server.config, NULL, 1);
	server.scheduler = scheduler_start(
		arena,
		&(struct scheduler_setup){1, {(size_t)server.config.queue_length, UINT64_MAX}});
	server.workers = workers_start(arena, 1);
	server.routes = routes;
	fuzz_check(server.reaper && server.scheduler && server.workers, "no threads");
	fuzz_check(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0, "no sockets");
	entry = reaper_open(server.reaper, sockets[0]);
	fuzz_check(entry != NULL, "no connection");
}

/* ---------------------------------------------------------------- replies */

/* Nothing in a reply's head may look like a second header. */
static void check_header(const struct header *header)
{
	for (const char *c = header->value; *c; c++)
		fuzz_check((unsigned char)*c >= ' ' && *c != 0x7f,
			   "%s of the reply has the byte 0x%02x", header->name, (unsigned char)*c);
}

static bool differs(const struct header *header)
{
	return strcmp(header->name, "X-Request-Id") == 0 ||
	       strcmp(header->name, "Server-Timing") == 0 ||
	       strcmp(header->name, "Inference-Header-Content-Length") == 0;
}

static void hash_result(struct fuzz_outcome *outcome, const struct evaluation *e)
{
	for (size_t i = 0; i < e->result->n_outputs; i++) {
		const struct loss_tensor *tensor = &e->result->outputs[i].tensor;
		fuzz_hash(outcome, tensor->data,
			  tensor->count * loss_dtype_info(tensor->dtype)->size);
	}
}

static void judge(const struct request *request, struct fuzz_outcome *outcome)
{
	const struct reply *reply = &request->reply;
	const char *type = "";
	bool binary = false; /* something stands after the document */
	fuzz_check(reply->status >= 200 && reply->status < 600 && reply->status != 500,
		   "status %u: %s", reply->status, request->fault.error.detail);
	outcome->err = request->fault.error;
	fuzz_hash(outcome, &reply->status, sizeof reply->status);
	for (size_t i = 0; i < reply->n_headers; i++) {
		check_header(&reply->headers[i]);
		if (strcmp(reply->headers[i].name, "Content-Type") == 0)
			type = reply->headers[i].value;
		binary |= strcmp(reply->headers[i].name, "Inference-Header-Content-Length") == 0;
		if (!differs(&reply->headers[i]))
			fuzz_hash(outcome, reply->headers[i].value,
				  strlen(reply->headers[i].value));
	}
	bool json = strncmp(type, "application/", 12) == 0 && strstr(type, "json") != NULL;
	if (json && !reply->coded && reply->body.n_parts == 1 && !binary)
		fuzz_check_json(reply->body.parts[0].data, reply->body.parts[0].size);
	const struct evaluation *e = evaluate_of(request);
	if (e && reply->status == 200)
		hash_result(outcome, e);
}

/* ---------------------------------------------------------------- one way */

struct feeding {
	struct request *request;
	bool more;
};

static void resume(void *ended)
{
	sem_post(ended);
}

static void wait_for(sem_t *ended)
{
	while (sem_wait(ended) != 0) {
	}
	sem_destroy(ended);
}

static void feed(void *context, const unsigned char *bytes, size_t n)
{
	struct feeding *feeding = context;
	if (!feeding->more)
		return;
	enum exchange_feed_end end = exchange_feed(feeding->request, bytes, n);
	feeding->more = end != EXCHANGE_LONG;
	if (end == EXCHANGE_FULL) {
		sem_t room;
		sem_init(&room, 0, 0);
		exchange_pause(feeding->request, resume, &room);
		wait_for(&room);
	}
}

static void end(struct request *request)
{
	enum request_stage stage = exchange_end(request);
	while (stage == REQUEST_WAIT) {
		sem_t ended;
		reaper_compute(server.reaper, entry);
		sem_init(&ended, 0, 0);
		exchange_start(request, resume, &ended);
		wait_for(&ended);
		stage = exchange_proceed(request);
	}
}

/* False where the outcome depends on the time that has passed. */
static bool run(const unsigned char *bytes, size_t n, enum fuzz_cut cut,
		struct fuzz_outcome *outcome)
{
	static struct fuzz_head head;
	struct fuzz_input input = {bytes, n};
	fuzz_read_head(&input, &head);
	loss_status why;
	reaper_head(server.reaper, entry);
	struct request *request = request_create(&server, entry, head.raw.target, &why);
	fuzz_check(request != NULL, "no memory for a request");
	struct feeding feeding = {request, true};
	fuzz_outcome_start(outcome);
	if (exchange_begin(request, &head.raw) != REQUEST_REPLY) {
		reaper_body(server.reaper, entry);
		fuzz_feed(&input, cut, feed, &feeding);
		if (feeding.more)
			end(request);
	}
	if (feeding.more)
		judge(request, outcome);
	bool timed = request->timeout_ns > 0;
	intake_end(request);
	request_destroy(request);
	reaper_idle(server.reaper, entry, REAPER_UNKNOWN);
	fuzz_check(loss_budget_held(server.budget) == 0, "%zu bytes of the budget are still held",
		   loss_budget_held(server.budget));
	return !timed;
}

void fuzz_request(const unsigned char *bytes, size_t n)
{
	struct fuzz_outcome whole, cut;
	if (!entry)
		start();
	bool timed = !run(bytes, n, FUZZ_WHOLE, &whole);
	run(bytes, n, FUZZ_BYTES, &cut);
	if (!timed)
		fuzz_same(&whole, &cut, "whole and byte by byte");
	run(bytes, n, FUZZ_PIECES, &cut);
	if (!timed)
		fuzz_same(&whole, &cut, "whole and in pieces");
}
