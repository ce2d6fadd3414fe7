/* Servers on this machine, each with a connection to it: lossd, and bare libmicrohttpd. */
#ifndef BENCH_SERVER_H
#define BENCH_SERVER_H

#include <stdint.h>
#include <sys/types.h>

#include "measure.h"

/* Memory for a connection: what both have, and what is best for bare libmicrohttpd. */
#define SERVER_MEMORY "32768"
#define SERVER_MEMORY_BEST "1048576"
/* What is asked of lossd: the loss, or the gradient as well. */
#define SERVER_PATH "/v1/losses/cross_entropy"
#define SERVER_PATH_GRAD SERVER_PATH "?outputs=loss,grad"
#define SERVER_TENSORS "Accept: application/x-safetensors\r\n"
#define SERVER_KEY_PREFIX "lossd-bench-" /* of shared memory that lossd may map */

struct server {
	pid_t pid; /* 0: none */
	unsigned port;
	int socket; /* -1: none */
};
#define SERVER_NONE ((struct server){.socket = -1})

/* False where it did not start; it is to be stopped all the same. */
bool server_start_lossd(struct server *server, const struct bench *bench);
bool server_start_bare(struct server *server, const struct bench *bench, const char *memory);
void server_stop(struct server *server);

/* What is asked of bare libmicrohttpd: that many bytes. */
void server_bare_path(char *path, size_t size, uint64_t reply_bytes);

/* Of /proc/PID/status, in bytes: "VmRSS:", "VmHWM:". */
double server_bytes(const struct server *server, const char *field);
/* So far; NaN where the system does not tell. */
double server_minor_faults(const struct server *server);

#endif
