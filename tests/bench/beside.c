#include "beside.h"

#include <math.h>
#include <stdio.h>

#include "load.h"
#include "paced.h"
#include "server.h"
#include "timing.h"

/* The same requests to a server with and without others. */
struct side {
	struct server server;
	char path[96], load_path[96];
	double quiet[MAX_ROUNDS], busy[MAX_ROUNDS];
	uint64_t reply_bytes, load_reply_bytes;
};

struct beside {
	const struct bench_load *others;
	struct body load_body;
	struct upload load;
	struct paced paced;
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

static const char *plural(const struct bench_load *others)
{
	return others->clients == 1 ? "" : "s";
}

/* ---------------------------------------------------------------- rounds */

static void take_side(const struct beside *beside, struct side *side, size_t round)
{
	struct load load = load_of(beside, &side->server, side->load_path);
	side->quiet[round] =
		paced_seconds(&beside->paced, &side->server, side->path, &side->reply_bytes);
	load_start(&load);
	side->busy[round] = paced_seconds(&beside->paced, &side->server, side->path, NULL);
	if (!load_stop(&load))
		side->busy[round] = (double)NAN; /* what was measured is not what it should be */
	side->load_reply_bytes = atomic_load(&load.reply_bytes);
}

/* Bare libmicrohttpd takes and gives as many bytes. */
static void take_turns(struct beside *beside, size_t round)
{
	struct side *lossd = &beside->lossd, *bare = &beside->bare;
	take_side(beside, lossd, round);
	server_path(&bare->server, lossd->path, lossd->reply_bytes, bare->path, sizeof bare->path);
	server_path(&bare->server, lossd->load_path, lossd->load_reply_bytes, bare->load_path,
		    sizeof bare->load_path);
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
	measured_sum_up(measured, median(beside->lossd.busy, rounds),
			against_bare ? bare_busy : quiet);
	note(measured,
	     "%zu other%s; without any %.3g ms; bare libmicrohttpd with the same bytes %.3g, "
	     "without any %.3g",
	     beside->others->clients, plural(beside->others), quiet * 1e3, bare_busy * 1e3,
	     bare_quiet * 1e3);
}

static void take_rounds(struct bench *bench, struct beside *beside, struct measured *measured)
{
	struct side *lossd = &beside->lossd, *bare = &beside->bare;
	snprintf(lossd->load_path, sizeof lossd->load_path, "%s", measured->what->load->path);
	if (!make_load(beside, measured->what->load)) {
		note(measured, "there is not enough memory");
	} else if (!server_start(&lossd->server, bench, SERVER_LOSSD, NULL) ||
		   !server_start(&bare->server, bench, SERVER_BARE, NULL)) {
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

static void measure_paced(struct bench *bench, struct paced paced, const char *path,
			  struct measured *measured)
{
	struct beside beside = {
		.paced = paced,
		.lossd = {.server = SERVER_NONE},
		.bare = {.server = SERVER_NONE},
	};
	snprintf(beside.lossd.path, sizeof beside.lossd.path, "%s", path);
	take_rounds(bench, &beside, measured);
}

void beside_measure_gradient(struct bench *bench, const struct body *body,
			     struct measured *measured)
{
	struct paced paced = {body->upload, 5, 20000000, 0.5};
	paced.request.fields = SERVER_TENSORS;
	measure_paced(bench, paced, SERVER_PATH_GRAD, measured);
}

void beside_measure_p95(struct bench *bench, const struct body *body, struct measured *measured)
{
	struct paced paced = {body->upload, 200, 4000000, 0.95};
	measure_paced(bench, paced, SERVER_PATH, measured);
}

void beside_measure_p99(struct bench *bench, const struct body *body, struct measured *measured)
{
	measure_paced(bench, PACED_P99(body->upload), SERVER_PATH, measured);
}

/* ---------------------------------------------------------------- a deadline */

#define DEADLINE_SECONDS 1.0 /* of the request's field */

/* Of a connection of its own: a reply that comes too soon may close it. */
static double seconds_after_body(const struct server *server, const struct upload *request,
				 struct exchange *exchange)
{
	struct channel channel;
	bool answered = channel_open(&channel, server->port, CHANNEL_PLAIN) &&
			upload_exchange(&channel, SERVER_PATH_GRAD, request, exchange);
	channel_close(&channel);
	return answered ? exchange->last - exchange->sent : (double)NAN;
}

static void measure_slowest(struct beside *beside, const struct upload *request, size_t rounds,
			    struct measured *measured)
{
	struct load load = load_of(beside, &beside->lossd.server, beside->others->path);
	struct exchange exchange = {0};
	double seconds[MAX_ROUNDS];
	load_start(&load);
	for (size_t i = 0; i < rounds; i++)
		seconds[i] = seconds_after_body(&beside->lossd.server, request, &exchange);
	bool good = load_stop(&load);
	measured_sum_up(measured, good ? quantile(seconds, rounds, 1.0) : (double)NAN,
			DEADLINE_SECONDS);
	note(measured,
	     "%zu other%s; the slowest of %zu, from the end of its body; the last was "
	     "answered %d",
	     beside->others->clients, plural(beside->others), rounds, exchange.status);
}

void beside_measure_deadline(struct bench *bench, const struct body *body,
			     struct measured *measured)
{
	struct beside beside = {.lossd = {.server = SERVER_NONE}};
	struct upload request = body->upload;
	/* Numbers as text, compressed: many times a second of work, whatever the machine. */
	request.fields = "X-Request-Timeout-Ms: 1000\r\nAccept: application/json\r\n"
			 "Accept-Encoding: gzip\r\n";
	measured->unit = "s";
	measured->factor = 1.0;
	if (!make_load(&beside, measured->what->load))
		note(measured, "there is not enough memory");
	else if (!server_start(&beside.lossd.server, bench, SERVER_LOSSD, NULL))
		note(measured, "lossd did not start");
	else
		measure_slowest(&beside, &request, bench->rounds, measured);
	server_stop(&beside.lossd.server);
	body_drop(&beside.load_body);
}
