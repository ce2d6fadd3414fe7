#include "crowded.h"

#include <math.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "crowd.h"
#include "paced.h"
#include "server.h"
#include "timing.h"

#define IDLE 10000
#define SLOW_EACH 1000
#define OTHER_FILES 256 /* that this program or a server may have open, or keep, beside a crowd */

/* Nobody idle is sent away while it is measured. */
#define IDLE_FLAGS "--head-timeout-ms 3600000 --idle-timeout-ms 3600000"
/* What a slow one sends or takes is worth nothing: the deadline is that of its phase. */
#define SLOW_SECONDS 4.0
#define SLOW_FLAGS                                                                                 \
	"--head-timeout-ms 4000 --body-timeout-ms 4000 --reply-timeout-ms 4000 "                   \
	"--body-min-bytes-per-second 1GiB --reply-min-bytes-per-second 1GiB"
#define LATE_SECONDS 0.5

#define SETTLE_SECONDS 10.0

#define FRESH_BYTES 10000.0
#define USED_BYTES (SERVER_MEMORY + 8192.0)

static const struct crowd_kind idle = {.opening = ""};
static const struct crowd_kind slow_kinds[] = {
	{"POST " SERVER_PATH " HTTP/1.1\r\nHost: localhost\r\nX-Slow: ", 'x', CHANNEL_PLAIN},
	{"POST " SERVER_PATH " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
	 "Content-Length: 100000\r\n\r\n{",
	 ' ', CHANNEL_PLAIN},
	{"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n", 0, CHANNEL_NARROW},
};
#define SLOW_KINDS (sizeof slow_kinds / sizeof slow_kinds[0])

/* lossd with one good client, and others. */
struct crowded {
	struct server lossd;
	struct paced paced;
	struct crowd crowd;
	size_t files; /* that it has open without the others */
};

static size_t crowd_size(size_t wanted)
{
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur < 2 * OTHER_FILES)
		return 0;
	size_t most = (size_t)files.rlim_cur - OTHER_FILES;
	return wanted < most ? wanted : most;
}

/* The good client has had replies when it returns: what a server makes once is there. */
static bool start(struct crowded *crowded, const struct bench *bench, const struct body *small,
		  const char *flags, struct measured *measured)
{
	*crowded = (struct crowded){.lossd = SERVER_NONE, .paced = PACED_P99(small->upload)};
	crowded->crowd.members = calloc(IDLE, sizeof *crowded->crowd.members);
	if (!crowded->crowd.members) {
		note(measured, "there is not enough memory");
		return false;
	}
	if (!server_start(&crowded->lossd, bench, SERVER_LOSSD, flags)) {
		note(measured, "%s", crowded->lossd.about);
		return false;
	}
	bool good = !isnan(paced_seconds(&crowded->paced, &crowded->lossd, SERVER_PATH, NULL));
	crowded->files = server_files(&crowded->lossd);
	if (!good)
		note(measured, "the good client's requests failed");
	return good;
}

/* Closes the others, and waits until the server has noticed all of it, or for a while. */
static void send_away(struct crowded *crowded)
{
	double end = now_seconds() + SETTLE_SECONDS;
	crowd_close(&crowded->crowd);
	while (server_files(&crowded->lossd) > crowded->files && now_seconds() < end)
		usleep(10000);
}

static void stop(struct crowded *crowded)
{
	crowd_close(&crowded->crowd);
	free(crowded->crowd.members);
	server_stop(&crowded->lossd);
}

/* ---------------------------------------------------------------- idle */

/* The good client's last reply comes after all were accepted: they are, in order. */
static bool open_idle(struct crowded *crowded, bool used)
{
	struct crowd *crowd = &crowded->crowd;
	const size_t n = crowd_size(IDLE);
	while (crowd->n < n) {
		if (!crowd_open(crowd, crowded->lossd.port, &idle))
			return false;
		struct member *member = &crowd->members[crowd->n - 1];
		if (used &&
		    isnan(upload_seconds(&member->channel, SERVER_PATH, &crowded->paced.request)))
			return false;
	}
	return n > 0 && !isnan(paced_seconds(&crowded->paced, &crowded->lossd, SERVER_PATH, NULL));
}

/* What they held stays with the server's C library: a round more would find it there. */
static void measure_bytes(struct bench *bench, const struct body *small, bool used,
			  struct measured *measured)
{
	struct crowded crowded;
	measured->unit = "KB";
	measured->factor = 1e-3;
	if (start(&crowded, bench, small, IDLE_FLAGS, measured)) {
		double before = server_bytes(&crowded.lossd, "VmRSS:");
		bool open = open_idle(&crowded, used);
		double after = server_bytes(&crowded.lossd, "VmRSS:");
		double each = open ? (after - before) / (double)crowded.crowd.n : (double)NAN;
		measured_sum_up(measured, each, used ? USED_BYTES : FRESH_BYTES);
		note(measured, "resident, each of %zu%s; %.1f MB before, %.1f MB after",
		     crowded.crowd.n, open ? "" : ", of which the last failed", before * 1e-6,
		     after * 1e-6);
	}
	stop(&crowded);
}

void crowded_measure_fresh(struct bench *bench, const struct body *small, struct measured *measured)
{
	measure_bytes(bench, small, false, measured);
}

void crowded_measure_used(struct bench *bench, const struct body *small, struct measured *measured)
{
	measure_bytes(bench, small, true, measured);
}

void crowded_measure_idle(struct bench *bench, const struct body *small, struct measured *measured)
{
	struct crowded crowded;
	double quiet[MAX_ROUNDS], beside[MAX_ROUNDS];
	size_t n = 0;
	measured->unit = "ms";
	measured->factor = 1e3;
	if (start(&crowded, bench, small, IDLE_FLAGS, measured)) {
		for (size_t round = 0; round < bench->rounds; round++) {
			quiet[round] =
				paced_seconds(&crowded.paced, &crowded.lossd, SERVER_PATH, NULL);
			beside[round] = open_idle(&crowded, true)
						? paced_seconds(&crowded.paced, &crowded.lossd,
								SERVER_PATH, NULL)
						: (double)NAN;
			n = crowded.crowd.n;
			send_away(&crowded);
		}
		measured_sum_up(measured, median(beside, bench->rounds),
				median(quiet, bench->rounds));
		note(measured, "%zu others, which have had a reply each; against none", n);
	}
	stop(&crowded);
}

/* ---------------------------------------------------------------- slow */

static bool open_slow(struct crowded *crowded)
{
	struct crowd *crowd = &crowded->crowd;
	const size_t n = crowd_size(SLOW_KINDS * SLOW_EACH);
	while (crowd->n < n)
		if (!crowd_open(crowd, crowded->lossd.port, &slow_kinds[crowd->n % SLOW_KINDS]))
			return false;
	return crowd_attend(crowd);
}

/* Of the one that stayed longest beyond its deadline, or else nearest to it. */
static double lateness(const struct crowd *crowd, const struct crowd_kind *kind)
{
	double latest = -(double)INFINITY;
	for (size_t i = 0; i < crowd->n; i++) {
		const struct member *member = &crowd->members[i];
		if (member->kind == kind)
			latest = fmax(latest, member->gone - member->opened - SLOW_SECONDS);
	}
	return latest;
}

/* What rounds gave: the good client's times, and how late others were, of each kind. */
struct slow {
	double quiet[MAX_ROUNDS], beside[MAX_ROUNDS], late[SLOW_KINDS][MAX_ROUNDS];
	size_t n;     /* others in a round, of which */
	size_t early; /* were gone before the good client's last reply */
};

static bool take_slow_round(struct crowded *crowded, struct slow *slow, size_t round)
{
	struct crowd *crowd = &crowded->crowd;
	slow->quiet[round] = paced_seconds(&crowded->paced, &crowded->lossd, SERVER_PATH, NULL);
	if (!open_slow(crowded))
		return false;
	slow->beside[round] = paced_seconds(&crowded->paced, &crowded->lossd, SERVER_PATH, NULL);
	slow->n = crowd->n;
	slow->early += crowd->n - atomic_load(&crowd->left);
	crowd_wait(crowd, 3.0 * SLOW_SECONDS);
	for (size_t i = 0; i < SLOW_KINDS; i++)
		slow->late[i][round] = lateness(crowd, &slow_kinds[i]);
	send_away(crowded);
	return true;
}

static bool take_slow_rounds(struct bench *bench, const struct body *small, struct slow *slow,
			     struct measured *measured)
{
	struct crowded crowded;
	bool good = start(&crowded, bench, small, SLOW_FLAGS, measured);
	for (size_t round = 0; good && round < bench->rounds; round++)
		good = take_slow_round(&crowded, slow, round);
	stop(&crowded);
	if (!good && measured->note[0] == '\0')
		note(measured, "slow clients could not connect");
	return good;
}

void crowded_measure_slow(struct bench *bench, const struct body *small, struct measured *measured)
{
	struct slow slow = {0};
	measured->unit = "ms";
	measured->factor = 1e3;
	if (!take_slow_rounds(bench, small, &slow, measured))
		return;
	measured_sum_up(measured, median(slow.beside, bench->rounds),
			median(slow.quiet, bench->rounds));
	note(measured,
	     "%zu others: a third each slow with a head, with a body, with taking a reply; against "
	     "none; %zu were gone early",
	     slow.n, slow.early);
}

void crowded_measure_late(struct bench *bench, const struct body *small, struct measured *measured)
{
	struct slow slow = {0};
	double each[SLOW_KINDS] = {0}, latest = -(double)INFINITY;
	measured->unit = "s";
	measured->factor = 1.0;
	if (!take_slow_rounds(bench, small, &slow, measured))
		return;
	for (size_t i = 0; i < SLOW_KINDS; i++) {
		each[i] = quantile(slow.late[i], bench->rounds, 1.0);
		latest = fmax(latest, each[i]);
	}
	measured_sum_up(measured, latest, LATE_SECONDS);
	note(measured,
	     "the last of %zu, past a deadline of %g s, in %zu rounds: heads %.3f, bodies %.3f, "
	     "replies %.3f",
	     slow.n, SLOW_SECONDS, bench->rounds, each[0], each[1], each[2]);
}
