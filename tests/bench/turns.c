#include "turns.h"

#include <math.h>

#include "server.h"
#include "timing.h"

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

/* What is asked of lossd. */
struct request {
	const char *path;
	struct upload upload;
	counted *seconds;
};

#define N_SERVERS 3

/* lossd; bare libmicrohttpd with as much memory for a connection, and with what is best for it. */
struct turns {
	struct server servers[N_SERVERS];
	double seconds[N_SERVERS][MAX_ROUNDS];
	double faults[MAX_ROUNDS]; /* minor ones, of lossd */
	uint64_t reply_bytes;      /* of lossd, the last one */
};

static bool start(struct turns *turns, const struct bench *bench)
{
	*turns = (struct turns){.servers = {SERVER_NONE, SERVER_NONE, SERVER_NONE}};
	return server_start_lossd(&turns->servers[0], bench) &&
	       server_start_bare(&turns->servers[1], bench, SERVER_MEMORY) &&
	       server_start_bare(&turns->servers[2], bench, SERVER_MEMORY_BEST);
}

static void stop(struct turns *turns)
{
	for (int i = 0; i < N_SERVERS; i++)
		server_stop(&turns->servers[i]);
}

static double ask(const struct server *server, const struct request *request, const char *path,
		  struct exchange *exchange)
{
	bool answered = upload_exchange(server->socket, path, &request->upload, exchange);
	return answered && exchange->status == 200 ? request->seconds(exchange) : (double)NAN;
}

/* Bare libmicrohttpd gives back as many bytes as lossd just did. */
static void take_turns(struct turns *turns, const struct request *request, size_t round)
{
	struct exchange exchange;
	char bare[64];
	double before = server_minor_faults(&turns->servers[0]);
	turns->seconds[0][round] = ask(&turns->servers[0], request, request->path, &exchange);
	turns->faults[round] = server_minor_faults(&turns->servers[0]) - before;
	turns->reply_bytes = exchange.bytes;
	server_bare_path(bare, sizeof bare, exchange.bytes);
	for (int i = 1; i < N_SERVERS; i++)
		turns->seconds[i][round] = ask(&turns->servers[i], request, bare, &exchange);
}

/* Against the faster of the bare ones, or the one with as much memory for a connection. */
static void measure_turns(struct turns *turns, struct bench *bench, const struct request *request,
			  struct measured *measured)
{
	if (!start(turns, bench)) {
		note(measured, "lossd or the bare libmicrohttpd did not start");
	} else {
		for (size_t round = 0; round < bench->rounds; round++)
			take_turns(turns, request, round);
		double same = median(turns->seconds[1], bench->rounds);
		double best = median(turns->seconds[2], bench->rounds);
		bool as_set_up = measured->what->reference == REFERENCE_DISCARD;
		measured->ours = median(turns->seconds[0], bench->rounds);
		measured->reference = as_set_up ? same : fmin(same, best);
		measured->ratio = measured->reference / measured->ours;
		measured->met = measured->ratio >= measured->what->bar;
		note(measured,
		     "bare libmicrohttpd with 32 KiB for a connection %.3g GB/s, with 1 MiB %.3g",
		     measured->bytes * 1e-9 / same, measured->bytes * 1e-9 / best);
	}
	stop(turns);
}

void turns_measure_upload(struct bench *bench, const struct body *body, struct measured *measured)
{
	struct turns turns;
	struct request request = {SERVER_PATH, body->upload, whole};
	measure_turns(&turns, bench, &request, measured);
}

/* Fewer bytes take less time: a reply that was compressed has not met the bar. */
void turns_measure_reply(struct bench *bench, const struct body *body, struct measured *measured)
{
	struct turns turns;
	struct request request = {SERVER_PATH_GRAD, body->upload, reply_alone};
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
	struct request request = {SERVER_PATH_GRAD, body->upload, whole};
	request.upload.fields = SERVER_TENSORS;
	measure_turns(&turns, bench, &request, measured);
	if (!isnan(measured->ratio))
		note(measured, "; %.0f minor faults a request of lossd",
		     median(turns.faults, bench->rounds));
}
