#include "beside.h"

#include <math.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "load.h"
#include "server.h"
#include "timing.h"

/* Of a request in a round, with a pause after each: the others are at another point each time. */
#define GRADIENTS 5
#define GRADIENT_PAUSE_NS 20000000
#define SMALL_REQUESTS 200
#define SMALL_PAUSE_NS 4000000

/* The same request to a server with and without others. */
struct side {
	struct server server;
	char path[64], load_path[64];
	double quiet[MAX_ROUNDS], busy[MAX_ROUNDS];
	uint64_t reply_bytes, load_reply_bytes;
};

struct beside {
	const struct bench_load *others;
	struct body load_body;
	struct upload load, request;
	size_t repeats; /* of the request in a round, */
	double part;    /* of which that quantile counts */
	long pause_ns;
	struct side lossd, bare;
};

/* ---------------------------------------------------------------- the load */

static const struct bench_load nobody = {.name = "nobody"};

/* NULL: no others. */
static bool make_load(struct beside *beside, const struct bench_load *others)
{
	beside->others = others ? others : &nobody;
	if (!others)
		return true;
	bool made = others->json ? body_make_json(&beside->load_body, others->rows, others->classes)
				 : body_make(&beside->load_body, others->rows, others->classes);
	beside->load = beside->load_body.upload;
	beside->load.fields = others->fields;
	return made;
}

static struct load load_of(const struct beside *beside, const struct server *server,
			   const char *path)
{
	return (struct load){.port = server->port,
			     .path = path,
			     .upload = &beside->load,
			     .clients = beside->others->clients};
}

/* ---------------------------------------------------------------- rounds */

static double side_seconds(const struct beside *beside, struct side *side)
{
	double seconds[SMALL_REQUESTS];
	struct exchange exchange;
	for (size_t i = 0; i < beside->repeats; i++) {
		bool good = upload_exchange(side->server.socket, side->path, &beside->request,
					    &exchange) &&
			    exchange.status == 200;
		seconds[i] = good ? exchange.last : (double)NAN;
		side->reply_bytes = exchange.bytes;
		nanosleep(&(struct timespec){.tv_nsec = beside->pause_ns}, NULL);
	}
	return quantile(seconds, beside->repeats, beside->part);
}

static void take_side(const struct beside *beside, struct side *side, size_t round)
{
	struct load load = load_of(beside, &side->server, side->load_path);
	side->quiet[round] = side_seconds(beside, side);
	load_start(&load);
	side->busy[round] = side_seconds(beside, side);
	if (!load_stop(&load))
		side->busy[round] = (double)NAN; /* what was measured is not what it should be */
	side->load_reply_bytes = atomic_load(&load.reply_bytes);
}

/* Bare libmicrohttpd takes and gives as many bytes. */
static void take_turns(struct beside *beside, size_t round)
{
	struct side *lossd = &beside->lossd, *bare = &beside->bare;
	take_side(beside, lossd, round);
	server_bare_path(bare->path, sizeof bare->path, lossd->reply_bytes);
	server_bare_path(bare->load_path, sizeof bare->load_path, lossd->load_reply_bytes);
	take_side(beside, bare, round);
}

/* Against itself without others, or against bare libmicrohttpd with them. */
static void sum_up(const struct beside *beside, size_t rounds, struct measured *measured)
{
	double quiet = median(beside->lossd.quiet, rounds);
	double bare_busy = median(beside->bare.busy, rounds);
	double bare_quiet = median(beside->bare.quiet, rounds);
	bool against_bare = measured->what->reference == REFERENCE_BARE_BESIDE;
	measured->unit = "ms";
	measured->factor = 1e3;
	measured->ours = median(beside->lossd.busy, rounds);
	measured->reference = against_bare ? bare_busy : quiet;
	measured->ratio = measured->ours / measured->reference;
	measured->met = measured->ratio <= measured->what->bar;
	note(measured,
	     "%zu others; without any %.3g ms; bare libmicrohttpd with the same bytes %.3g, "
	     "without any %.3g",
	     beside->others->clients, quiet * 1e3, bare_busy * 1e3, bare_quiet * 1e3);
}

static void take_rounds(struct bench *bench, struct beside *beside, struct measured *measured)
{
	struct side *lossd = &beside->lossd, *bare = &beside->bare;
	snprintf(lossd->load_path, sizeof lossd->load_path, "%s", measured->what->load->path);
	if (!make_load(beside, measured->what->load)) {
		note(measured, "there is not enough memory");
	} else if (!server_start_lossd(&lossd->server, bench) ||
		   !server_start_bare(&bare->server, bench, SERVER_MEMORY)) {
		note(measured, "lossd or the bare libmicrohttpd did not start");
	} else {
		for (size_t round = 0; round < bench->rounds; round++)
			take_turns(beside, round);
		sum_up(beside, bench->rounds, measured);
	}
	server_stop(&lossd->server);
	server_stop(&bare->server);
	body_drop(&beside->load_body);
}

void beside_measure_gradient(struct bench *bench, const struct body *body,
			     struct measured *measured)
{
	struct beside beside = {
		.request = body->upload,
		.repeats = GRADIENTS,
		.part = 0.5,
		.pause_ns = GRADIENT_PAUSE_NS,
		.lossd = {.server = SERVER_NONE, .path = SERVER_PATH_GRAD},
		.bare = {.server = SERVER_NONE},
	};
	beside.request.fields = SERVER_TENSORS;
	take_rounds(bench, &beside, measured);
}

void beside_measure_small(struct bench *bench, const struct body *body, struct measured *measured)
{
	const size_t *shape = measured->what->shape;
	struct beside beside = {
		.repeats = SMALL_REQUESTS,
		.part = 0.95,
		.pause_ns = SMALL_PAUSE_NS,
		.lossd = {.server = SERVER_NONE, .path = SERVER_PATH},
		.bare = {.server = SERVER_NONE},
	};
	struct body json;
	(void)body; /* tensors */
	if (body_make_json(&json, shape[0], shape[1])) {
		beside.request = json.upload;
		take_rounds(bench, &beside, measured);
	} else {
		note(measured, "there is not enough memory");
	}
	body_drop(&json);
}

/* ---------------------------------------------------------------- a deadline */

/* Of a connection of its own: a reply that comes too soon may close it. */
static double seconds_after_body(const struct server *server, const struct upload *request,
				 struct exchange *exchange)
{
	int socket = upload_connect(server->port);
	bool answered = upload_exchange(socket, SERVER_PATH_GRAD, request, exchange);
	close(socket);
	return answered ? exchange->last - exchange->sent : (double)NAN;
}

static void measure_slowest(struct beside *beside, size_t rounds, struct measured *measured)
{
	struct load load = load_of(beside, &beside->lossd.server, beside->others->path);
	struct exchange exchange = {0};
	double seconds[MAX_ROUNDS];
	load_start(&load);
	for (size_t i = 0; i < rounds; i++)
		seconds[i] = seconds_after_body(&beside->lossd.server, &beside->request, &exchange);
	bool good = load_stop(&load);
	measured->ours = good ? quantile(seconds, rounds, 1.0) : (double)NAN;
	measured->ratio = measured->ours / measured->reference;
	measured->met = measured->ratio <= measured->what->bar;
	note(measured,
	     "%zu others; the slowest of %zu, from the end of its body; the last was "
	     "answered %d",
	     beside->others->clients, rounds, exchange.status);
}

void beside_measure_deadline(struct bench *bench, const struct body *body,
			     struct measured *measured)
{
	struct beside beside = {.request = body->upload, .lossd = {.server = SERVER_NONE}};
	/* Numbers as text, compressed: many times a second of work, whatever the machine. */
	beside.request.fields = "X-Request-Timeout-Ms: 1000\r\nAccept: application/json\r\n"
				"Accept-Encoding: gzip\r\n";
	measured->unit = "s";
	measured->factor = 1.0;
	measured->reference = 1.0;
	if (!make_load(&beside, measured->what->load))
		note(measured, "there is not enough memory");
	else if (!server_start_lossd(&beside.lossd.server, bench))
		note(measured, "lossd did not start");
	else
		measure_slowest(&beside, bench->rounds, measured);
	server_stop(&beside.lossd.server);
	body_drop(&beside.load_body);
}
