#include "rates.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "server.h"
#include "timing.h"

#define MAX_SERVERS 3
#define CONNECTIONS 16
/* Of a body of lines; and how many connections send them. More bodies of 1.6 MB than that are too
 * many for the caches that both ends share. */
#define LINES 1000
#define LONG_CONNECTIONS 4

struct rates {
	struct server servers[MAX_SERVERS];
	char paths[MAX_SERVERS][64];
	double seconds[MAX_SERVERS][MAX_ROUNDS]; /* of a request: one over their rate */
	char script[512];
};

/* Of wrk: what it sends, and a line for us in the end. The body is JSON: it has no such brackets.
 * As lines it comes again and again. */
static bool write_script(const char *path, const struct body *small, bool lines)
{
	FILE *out = fopen(path, "w");
	if (!out)
		return false;
	fprintf(out,
		"wrk.method = 'POST'\n"
		"wrk.headers['Content-Type'] = '%s'\n"
		"wrk.body = string.rep([==[%.*s]==] .. '\\n', %d)\n"
		"function done(summary, latency, requests)\n"
		"  local e = summary.errors\n"
		"  io.write(string.format('bench %%.9g %%d\\n', summary.duration * 1e-6 / "
		"summary.requests,\n"
		"    e.connect + e.read + e.write + e.status + e.timeout))\n"
		"end\n",
		lines ? "application/jsonl" : small->upload.type, (int)small->upload.head_bytes,
		small->head, lines ? LINES : 1);
	return fclose(out) == 0;
}

/* One thread of wrk: with two the rates of both were within a tenth. */
static double ask(const struct rates *rates, size_t server, int connections)
{
	char command[1024], line[256];
	double seconds = (double)NAN, failed;
	snprintf(command, sizeof command,
		 "wrk -t1 -c%d -d1s -s '%s' 'http://127.0.0.1:%u%s' 2>/dev/null", connections,
		 rates->script, rates->servers[server].port, rates->paths[server]);
	FILE *out = popen(command, "r");
	while (out && fgets(line, sizeof line, out))
		if (sscanf(line, "bench %lf %lf", &seconds, &failed) == 2 && failed > 0.0)
			seconds = (double)NAN;
	if (out)
		pclose(out);
	return seconds;
}

/* The first is lossd; of its reply the others' have as many bytes. */
static bool start(struct rates *rates, const struct bench *bench, const struct body *small,
		  const enum server_kind *kinds, size_t n, struct measured *measured)
{
	struct exchange exchange = {0};
	for (size_t i = 0; i < n; i++) {
		struct server *server = &rates->servers[i];
		if (!server_start(server, bench, kinds[i], NULL)) {
			note(measured, "%s", server->about);
			return false;
		}
		server_path(server, SERVER_PATH, exchange.bytes, rates->paths[i],
			    sizeof rates->paths[i]);
		if (!upload_exchange(&server->channel, rates->paths[i], &small->upload,
				     &exchange) ||
		    exchange.status != 200) {
			note(measured, "the first request was answered %d", exchange.status);
			return false;
		}
	}
	return true;
}

static void take_rounds(struct rates *rates, size_t n, size_t rounds, struct measured *measured)
{
	double seconds[MAX_SERVERS];
	for (size_t round = 0; round < rounds; round++)
		for (size_t i = 0; i < n; i++)
			rates->seconds[i][round] = ask(rates, i, CONNECTIONS);
	for (size_t i = 0; i < n; i++)
		seconds[i] = median(rates->seconds[i], rounds);
	measured_sum_up(measured, seconds[0], seconds[1]);
	note(measured, "a second: ours %.0f, the reference %.0f", 1.0 / seconds[0],
	     1.0 / seconds[1]);
	if (n > 2)
		note(measured, ", and with 1 MiB for a connection %.0f", 1.0 / seconds[2]);
	if (rates->servers[1].about[0])
		note(measured, "; %s", rates->servers[1].about);
}

static void measure_rates(struct bench *bench, const struct body *small,
			  const enum server_kind *kinds, size_t n, struct measured *measured)
{
	struct rates rates = {.servers = {SERVER_NONE, SERVER_NONE, SERVER_NONE}};
	measured->unit = "µs";
	measured->factor = 1e6;
	snprintf(rates.script, sizeof rates.script, "%s/bench-wrk.lua", bench->folder);
	if (system("command -v wrk >/dev/null 2>&1") != 0)
		note(measured, "wrk is not installed (make bench-peers)");
	else if (!write_script(rates.script, small, false))
		note(measured, "%s can not be written", rates.script);
	else if (start(&rates, bench, small, kinds, n, measured))
		take_rounds(&rates, n, bench->rounds, measured);
	for (size_t i = 0; i < n; i++)
		server_stop(&rates.servers[i]);
	unlink(rates.script);
}

void rates_measure_bare(struct bench *bench, const struct body *small, struct measured *measured)
{
	static const enum server_kind kinds[] = {SERVER_LOSSD, SERVER_BARE, SERVER_BARE_BEST};
	measure_rates(bench, small, kinds, 3, measured);
}

/* Of PyTorch a second thread has nothing to do here, but spins. */
void rates_measure_fastapi(struct bench *bench, const struct body *small, struct measured *measured)
{
	static const enum server_kind kinds[] = {SERVER_LOSSD, SERVER_FASTAPI_ONE_THREAD};
	measure_rates(bench, small, kinds, 2, measured);
}

/* The same server, asked in turn for one and for many at a time. */
static void take_turns(struct rates *rates, const struct body *small, size_t rounds,
		       struct measured *measured)
{
	double *lines = rates->seconds[0], *alone = rates->seconds[1];
	for (size_t round = 0; round < rounds; round++) {
		lines[round] = alone[round] = (double)NAN;
		if (write_script(rates->script, small, true))
			lines[round] = ask(rates, 0, LONG_CONNECTIONS) / LINES;
		if (write_script(rates->script, small, false))
			alone[round] = ask(rates, 0, CONNECTIONS);
	}
	measured_sum_up(measured, median(lines, rounds), median(alone, rounds));
	note(measured, "a second: %.0f in bodies of %d lines, %.0f one a request",
	     1.0 / measured->ours, LINES, 1.0 / measured->reference);
}

void rates_measure_lines(struct bench *bench, const struct body *small, struct measured *measured)
{
	static const enum server_kind kinds[] = {SERVER_LOSSD};
	struct rates rates = {.servers = {SERVER_NONE, SERVER_NONE, SERVER_NONE}};
	measured->unit = "µs";
	measured->factor = 1e6;
	snprintf(rates.script, sizeof rates.script, "%s/bench-wrk.lua", bench->folder);
	if (system("command -v wrk >/dev/null 2>&1") != 0)
		note(measured, "wrk is not installed (make bench-peers)");
	else if (start(&rates, bench, small, kinds, 1, measured))
		take_turns(&rates, small, bench->rounds, measured);
	server_stop(&rates.servers[0]);
	unlink(rates.script);
}
