/* Servers on this machine, each with a connection to it. */
#ifndef BENCH_SERVER_H
#define BENCH_SERVER_H

#include <stdint.h>
#include <sys/types.h>

#include "channel.h"
#include "measure.h"

enum server_kind {
	SERVER_LOSSD,
	SERVER_BARE,      /* libmicrohttpd alone, with as much memory for a connection */
	SERVER_BARE_BEST, /* and with what is best for it */
	SERVER_LOSSD_TLS, /* which, like those behind it, pem_make has made a certificate for */
	SERVER_BARE_TLS,
	SERVER_BARE_TLS_BEST,
	SERVER_FASTAPI, /* with uvicorn and PyTorch, of as many threads as lossd, or one */
	SERVER_FASTAPI_ONE_THREAD,
};

/* Of the files of those of TLS, in the bench's folder: .pem and .key. */
#define SERVER_CERTIFICATE "bench"
/* Of a connection to lossd and to SERVER_BARE. */
#define SERVER_MEMORY 32768
/* What is asked of lossd: the loss, or the gradient as well. FastAPI knows the loss. */
#define SERVER_PATH "/v1/losses/cross_entropy"
#define SERVER_PATH_GRAD SERVER_PATH "?outputs=loss,grad"
#define SERVER_TENSORS "Accept: application/x-safetensors\r\n"
#define SERVER_KEY_PREFIX "lossd-bench-" /* of shared memory that lossd may map */

struct server {
	enum server_kind kind;
	pid_t pid; /* 0: none */
	unsigned port;
	struct channel channel;
	char about[128]; /* what it says of itself, or why it did not start */
};
#define SERVER_NONE ((struct server){.channel = CHANNEL_NONE})

/* With further flags, if any, as a shell has them. False where it did not start; it is to be
 * stopped all the same. */
bool server_start(struct server *server, const struct bench *bench, enum server_kind kind,
		  const char *flags);
void server_stop(struct server *server);

/* What is asked of a server where lossd is asked for the path and replies with so many bytes: of
 * bare libmicrohttpd that many, of the others the same. */
void server_path(const struct server *server, const char *path, uint64_t reply_bytes, char *out,
		 size_t size);

/* Of /proc/PID/status, in bytes: "VmRSS:", "VmHWM:". */
double server_bytes(const struct server *server, const char *field);
/* Descriptors that it has open; 0 where the system does not tell. */
size_t server_files(const struct server *server);
/* So far; NaN where the system does not tell. */
double server_minor_faults(const struct server *server);

#endif
