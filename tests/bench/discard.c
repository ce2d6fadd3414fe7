/*
 * libmicrohttpd and nothing else: throws every body away and replies 200 with two bytes. What a
 * server that reads its uploads is held against; set up as lossd sets it up.
 *
 *   discard [THREADS [CONNECTION_MEMORY]]    prints "ready PORT", serves until it is killed
 */
#include <arpa/inet.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CONNECTION_MEMORY 32768

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *bytes,
				  size_t *n, void **request)
{
	struct MHD_Response *response = context;
	(void)url, (void)method, (void)version, (void)bytes;
	if (!*request) {
		*request = response;
		return MHD_YES;
	}
	if (*n > 0) {
		*n = 0;
		return MHD_YES;
	}
	return MHD_queue_response(connection, MHD_HTTP_OK, response);
}

int main(int argc, char **argv)
{
	static char body[] = "ok";
	unsigned threads = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 2;
	size_t memory = argc > 2 ? strtoul(argv[2], NULL, 10) : CONNECTION_MEMORY;
	struct sockaddr_in loopback = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	struct MHD_Response *response =
		MHD_create_response_from_buffer(2, body, MHD_RESPMEM_PERSISTENT);
	struct MHD_OptionItem options[] = {
		{MHD_OPTION_CONNECTION_MEMORY_LIMIT, (intptr_t)memory, NULL},
		{MHD_OPTION_SOCK_ADDR, 0, &loopback},
		{threads > 1 ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END, (intptr_t)threads,
		 NULL},
		{MHD_OPTION_END, 0, NULL},
	};
	struct MHD_Daemon *daemon =
		MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_INTERNAL_POLLING_THREAD, 0, NULL, NULL,
				 on_request, response, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
	const union MHD_DaemonInfo *info =
		daemon ? MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT) : NULL;
	if (!info) {
		puts("absent: libmicrohttpd did not start");
		return 1;
	}
	printf("ready %u\n", (unsigned)info->port);
	fflush(stdout);
	for (;;)
		pause();
}
