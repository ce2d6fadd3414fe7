#include "tls_server.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "capture.h"

#define MAX_FLAGS 40
#define WAIT_MS 60000
#define NONE ((struct tls_server){.plain.out = -1, .tls.out = -1})
#define READY "lossd: ready on https://127.0.0.1:"

void tls_server_certificate(const struct tls_server *server, const char *name,
			    enum certificate_use use, const struct certificate *issuer,
			    struct certificate *certificate)
{
	const struct certificate_wish wish = {.folder = server->folder,
					      .name = name,
					      .use = use,
					      .issuer = issuer ? issuer : &server->authority};
	certificate_make(&wish, certificate);
}

void tls_server_prepare(struct tls_server *server)
{
	*server = NONE;
	make_folder(server->folder, sizeof server->folder);
	const struct certificate_wish wish = {
		.folder = server->folder, .name = "authority", .use = FOR_AUTHORITIES};
	certificate_make(&wish, &server->authority);
	tls_server_certificate(server, "shown", FOR_SERVERS, NULL, &server->shown);
}

int tls_server_start(struct tls_server *server, const char *const *flags)
{
	const char *all[MAX_FLAGS] = {"--listen",          "tls:127.0.0.1:0",
				      "--tls-certificate", server->shown.certificate,
				      "--tls-key",         server->shown.key};
	char line[256];
	for (size_t n = 6; flags && *flags && n + 1 < MAX_FLAGS; n++)
		all[n] = *flags++;
	if (server_start(&server->plain, all, NULL) != 0)
		return -1;
	if (!server_line(&server->plain, line, sizeof line) ||
	    strncmp(line, READY, sizeof READY - 1) != 0) {
		server_kill(&server->plain);
		return -1;
	}
	server->tls.port = (uint16_t)strtoul(line + sizeof READY - 1, NULL, 10);
	snprintf(server->tls.url, sizeof server->tls.url, "https://127.0.0.1:%u",
		 (unsigned)server->tls.port);
	return 0;
}

int tls_server_stop(struct tls_server *server)
{
	int code = server_stop(&server->plain);
	remove_folder(server->folder);
	return code;
}

void tls_server_kill(struct tls_server *server)
{
	server_kill(&server->plain);
	if (server->folder[0])
		remove_folder(server->folder);
	*server = NONE;
}

struct client *tls_client_open(const struct tls_server *server)
{
	struct client *client = client_open(&server->tls);
	client_trust(client, &(struct client_files){.authority = server->authority.certificate});
	return client;
}

int tls_server_said(const struct tls_server *server, const char *words)
{
	char *log = server_log(&server->plain);
	int n = 0;
	assert_non_null(log);
	for (const char *at = log; (at = strstr(at, words)) != NULL; at++)
		n++;
	free(log);
	return n;
}

void tls_server_hang_up(const struct tls_server *server, const char *words)
{
	int before = tls_server_said(server, words);
	assert_int_equal(kill(server->plain.pid, SIGHUP), 0);
	for (int64_t end = now_ms() + WAIT_MS;
	     tls_server_said(server, words) == before && now_ms() < end;)
		poll(NULL, 0, 1);
	if (tls_server_said(server, words) != before + 1)
		fail_msg("not said once more: %s", words);
}
