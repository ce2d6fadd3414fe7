#include "turns.h"

#include <math.h>

#include "../support/pem.h"
#include "server.h"
#include "timing.h"

#define DAY_SECONDS (24L * 3600)

/* The seconds of a request that count. */
typedef double counted(const struct exchange *exchange);

static double whole(const struct exchange *exchange)
{
	return exchange->last;
}

static double reply_alone(const struct exchange *exchange)
{
	return exchange->last - exchange->first;
}

/* What is asked of lossd, and whom it takes turns with. */
struct request {
	const char *path;
	struct upload upload;
	counted *seconds;
	const enum server_kind *kinds; /* lossd first */
	size_t n;
};

#define MAX_SERVERS 3

/* libmicrohttpd with as much memory for a connection, and with what is best for it. */
static const enum server_kind bare[] = {SERVER_LOSSD, SERVER_BARE, SERVER_BARE_BEST};
static const enum server_kind bare_tls[] = {SERVER_LOSSD_TLS, SERVER_BARE_TLS,
					    SERVER_BARE_TLS_BEST};
static const enum server_kind fastapi[] = {SERVER_LOSSD, SERVER_FASTAPI};

struct turns {
	struct server servers[MAX_SERVERS];
	double seconds[MAX_SERVERS][MAX_ROUNDS];
	double faults[MAX_ROUNDS]; /* minor ones, of lossd */
	uint64_t reply_bytes;      /* of lossd, the last one */
};

static bool start(struct turns *turns, const struct bench *bench, const struct request *request,
		  struct measured *measured)
{
	*turns = (struct turns){.servers = {SERVER_NONE, SERVER_NONE, SERVER_NONE}};
	for (size_t i = 0; i < request->n; i++) {
		if (server_start(&turns->servers[i], bench, request->kinds[i], NULL))
			continue;
		note(measured, "%s", turns->servers[i].about);
		return false;
	}
	return true;
}

static void stop(struct turns *turns)
{
	for (int i = 0; i < MAX_SERVERS; i++)
		server_stop(&turns->servers[i]);
}

static double ask(struct server *server, const struct request *request, uint64_t reply_bytes,
		  struct exchange *exchange)
{
	char path[64];
	server_path(server, request->path, reply_bytes, path, sizeof path);
	bool answered = upload_exchange(&server->channel, path, &request->upload, exchange);
	return answered && exchange->status == 200 ? request->seconds(exchange) : (double)NAN;
}

/* Those that make no replies give back as many bytes as lossd just did. */
static void take_turns(struct turns *turns, const struct request *request, size_t round)
{
	struct exchange exchange = {0};
	double before = server_minor_faults(&turns->servers[0]);
	for (size_t i = 0; i < request->n; i++) {
		turns->seconds[i][round] =
			ask(&turns->servers[i], request, i ? turns->reply_bytes : 0, &exchange);
		if (i > 0)
			continue;
		turns->faults[round] = server_minor_faults(&turns->servers[0]) - before;
		turns->reply_bytes = exchange.bytes;
	}
}

/* Against the faster of the references, or the one that is set up as lossd is. */
static void sum_up(const struct turns *turns, const struct request *request, size_t rounds,
		   struct measured *measured)
{
	double reference = median(turns->seconds[1], rounds);
	double best = median(turns->seconds[request->n - 1], rounds);
	bool as_set_up = !measured->what->grad;
	measured_sum_up(measured, median(turns->seconds[0], rounds),
			as_set_up ? reference : fmin(reference, best));
	if (request->kinds == fastapi)
		note(measured, "%s", turns->servers[1].about);
	else
		note(measured,
		     "bare libmicrohttpd with 32 KiB for a connection %.3g GB/s, with 1 MiB %.3g",
		     measured->bytes * 1e-9 / reference, measured->bytes * 1e-9 / best);
}

static void measure_turns(struct turns *turns, struct bench *bench, const struct request *request,
			  struct measured *measured)
{
	if (start(turns, bench, request, measured)) {
		for (size_t round = 0; round < bench->rounds; round++)
			take_turns(turns, request, round);
		sum_up(turns, request, bench->rounds, measured);
	}
	stop(turns);
}

static void measure_upload(struct bench *bench, const struct body *body,
			   const enum server_kind *kinds, size_t n, struct measured *measured)
{
	struct turns turns;
	struct request request = {SERVER_PATH, body->upload, whole, kinds, n};
	measure_turns(&turns, bench, &request, measured);
}

void turns_measure_upload(struct bench *bench, const struct body *body, struct measured *measured)
{
	measure_upload(bench, body, bare, 3, measured);
}

/* Both can not start where there is no certificate. */
void turns_measure_tls(struct bench *bench, const struct body *body, struct measured *measured)
{
	const struct certificate_wish wish = {.folder = bench->folder,
					      .name = SERVER_CERTIFICATE,
					      .use = FOR_SERVERS,
					      .from = -DAY_SECONDS,
					      .to = DAY_SECONDS};
	(void)pem_make(&wish, &(struct certificate){"", ""});
	measure_upload(bench, body, bare_tls, 3, measured);
}

void turns_measure_fastapi(struct bench *bench, const struct body *body, struct measured *measured)
{
	if (measured->what->json) { /* whose bytes are not those of the logits */
		measured->unit = "ms";
		measured->factor = 1e3;
	}
	measure_upload(bench, body, fastapi, 2, measured);
}

/* Fewer bytes take less time: a reply that was compressed has not met the bar. */
void turns_measure_reply(struct bench *bench, const struct body *body, struct measured *measured)
{
	struct turns turns;
	struct request request = {SERVER_PATH_GRAD, body->upload, reply_alone, bare, 3};
	request.upload.fields = SERVER_TENSORS "Accept-Encoding: gzip, deflate, zstd\r\n";
	measure_turns(&turns, bench, &request, measured);
	bool compressed = (double)turns.reply_bytes < measured->bytes;
	measured->met = measured->met && !compressed;
	note(measured, "; a reply of %.4g MB%s", (double)turns.reply_bytes * 1e-6,
	     compressed ? ", compressed" : "");
}

void turns_measure_both(struct bench *bench, const struct body *body, struct measured *measured)
{
	struct turns turns;
	struct request request = {SERVER_PATH_GRAD, body->upload, whole, bare, 3};
	request.upload.fields = SERVER_TENSORS;
	measure_turns(&turns, bench, &request, measured);
	if (!isnan(measured->ratio))
		note(measured, "; %.0f minor faults a request of lossd",
		     median(turns.faults, bench->rounds));
}
