#include "paced.h"

#include <math.h>
#include <time.h>

#include "timing.h"

double paced_seconds(const struct paced *paced, struct server *server, const char *path,
		     uint64_t *reply_bytes)
{
	double seconds[PACED_MOST];
	struct exchange exchange = {0};
	for (size_t i = 0; i < paced->repeats; i++) {
		bool good = upload_exchange(&server->channel, path, &paced->request, &exchange) &&
			    exchange.status == 200;
		seconds[i] = good ? exchange.last : (double)NAN;
		nanosleep(&(struct timespec){.tv_nsec = paced->pause_ns}, NULL);
	}
	if (reply_bytes)
		*reply_bytes = exchange.bytes;
	return quantile(seconds, paced->repeats, paced->part);
}
