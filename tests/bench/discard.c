/*
 * libmicrohttpd and nothing else: throws every body away and replies 200, with two bytes or, asked
 * for `?reply_bytes=N`, with N that have been in memory all along. What a server that reads its
 * uploads and makes its replies is held against; set up as lossd sets it up.
 *
 *   discard [THREADS [CONNECTION_MEMORY [CERTIFICATE KEY]]]    by TLS where there are files of
 * those
 *
 * Prints "ready PORT", serves until it is killed.
 */
#include <arpa/inet.h>
#include <microhttpd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define CONNECTION_MEMORY 32768
#define MAX_REPLY_BYTES ((size_t)192 << 20)
#define HUGE_PAGE ((size_t)2 << 20)
#define MAX_PEM_BYTES 8192

/* In large pages, as lossd has its results, and each of them there before it is asked for. */
static char *make_reply(void)
{
	char *reply = aligned_alloc(HUGE_PAGE, MAX_REPLY_BYTES);
	if (!reply)
		return NULL;
	madvise(reply, MAX_REPLY_BYTES, MADV_HUGEPAGE);
	memset(reply, 'k', MAX_REPLY_BYTES);
	return reply;
}

static enum MHD_Result answer(struct MHD_Connection *connection, char *reply)
{
	const char *asked =
		MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "reply_bytes");
	size_t bytes = asked ? strtoull(asked, NULL, 10) : 2;
	bool fits = bytes <= MAX_REPLY_BYTES;
	struct MHD_Response *response =
		MHD_create_response_from_buffer(fits ? bytes : 0, reply, MHD_RESPMEM_PERSISTENT);
	enum MHD_Result queued = MHD_queue_response(
		connection, fits ? MHD_HTTP_OK : MHD_HTTP_INTERNAL_SERVER_ERROR, response);
	MHD_destroy_response(response);
	return queued;
}

static enum MHD_Result on_request(void *reply, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *bytes,
				  size_t *n, void **request)
{
	(void)url, (void)method, (void)version, (void)bytes;
	if (!*request) {
		*request = reply;
		return MHD_YES;
	}
	if (*n > 0) {
		*n = 0;
		return MHD_YES;
	}
	return answer(connection, reply);
}

/* The text of a file; NULL where it can not be read. */
static char *read_pem(const char *path, char text[MAX_PEM_BYTES])
{
	FILE *in = fopen(path, "r");
	size_t n = in ? fread(text, 1, MAX_PEM_BYTES - 1, in) : 0;
	if (in)
		fclose(in);
	text[n] = '\0';
	return n > 0 ? text : NULL;
}

static struct MHD_Daemon *start(char *reply, unsigned threads, size_t memory, char *certificate,
				char *key)
{
	static struct sockaddr_in loopback = {.sin_family = AF_INET};
	loopback.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	struct MHD_OptionItem options[6] = {
		{MHD_OPTION_CONNECTION_MEMORY_LIMIT, (intptr_t)memory, NULL},
		{MHD_OPTION_SOCK_ADDR, 0, &loopback},
	};
	struct MHD_OptionItem *next = options + 2;
	if (threads > 1)
		*next++ = (struct MHD_OptionItem){MHD_OPTION_THREAD_POOL_SIZE, (intptr_t)threads,
						  NULL};
	if (certificate) {
		*next++ = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_CERT, 0, certificate};
		*next++ = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_KEY, 0, key};
	}
	*next = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
	unsigned flags = MHD_USE_EPOLL | MHD_USE_INTERNAL_POLLING_THREAD;
	return MHD_start_daemon(certificate ? flags | MHD_USE_TLS : flags, 0, NULL, NULL,
				on_request, reply, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
}

int main(int argc, char **argv)
{
	unsigned threads = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 2;
	size_t memory = argc > 2 ? strtoul(argv[2], NULL, 10) : CONNECTION_MEMORY;
	static char pem[2][MAX_PEM_BYTES];
	bool tls = argc > 4;
	char *certificate = tls ? read_pem(argv[3], pem[0]) : NULL;
	char *key = tls ? read_pem(argv[4], pem[1]) : NULL;
	char *reply = make_reply();
	struct MHD_Daemon *daemon = reply && (!tls || (certificate && key))
					    ? start(reply, threads, memory, certificate, key)
					    : NULL;
	const union MHD_DaemonInfo *info =
		daemon ? MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT) : NULL;
	if (!info) {
		puts("bare libmicrohttpd did not start");
		return 1;
	}
	printf("ready %u\n", (unsigned)info->port);
	fflush(stdout);
	for (;;)
		pause();
}
