#include "server.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "upload.h"

#define MAX_ARGUMENTS 8

/* The port in its first line that has one. */
static unsigned read_port(int fd)
{
	char line[256];
	unsigned port = 0;
	FILE *out = fdopen(fd, "r");
	while (out && port == 0 && fgets(line, sizeof line, out)) {
		const char *colon = strrchr(line, ':');
		if (sscanf(line, "ready %u", &port) != 1 && strstr(line, "ready on") && colon)
			port = (unsigned)strtoul(colon + 1, NULL, 10);
	}
	if (out)
		fclose(out);
	return port;
}

static bool start(struct server *server, const char *const *command)
{
	int ends[2];
	char *arguments[MAX_ARGUMENTS + 1] = {0};
	*server = (struct server){.socket = -1};
	if (pipe(ends) != 0)
		return false;
	for (size_t i = 0; i < MAX_ARGUMENTS && command[i]; i++)
		arguments[i] = strdup(command[i]);
	server->pid = fork();
	if (server->pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		close(ends[0]);
		unsetenv("GOMP_SPINCOUNT"); /* a server is measured as it is */
		if (!freopen("/dev/null", "w", stderr))
			_exit(127);
		execv(arguments[0], arguments);
		_exit(127);
	}
	for (size_t i = 0; i < MAX_ARGUMENTS; i++)
		free(arguments[i]);
	close(ends[1]);
	server->port = read_port(ends[0]);
	if (server->port)
		server->socket = upload_connect(server->port);
	return server->socket >= 0;
}

void server_stop(struct server *server)
{
	if (server->socket >= 0)
		close(server->socket);
	if (server->pid > 0) {
		kill(server->pid, SIGTERM);
		waitpid(server->pid, NULL, 0);
	}
}

bool server_start_lossd(struct server *server, const struct bench *bench)
{
	char path[512];
	snprintf(path, sizeof path, "%s/lossd", bench->folder);
	return start(server,
		     (const char *[]){path, "--listen", "127.0.0.1:0", "--connection-memory-bytes",
				      SERVER_MEMORY, "--shm-key-prefix", SERVER_KEY_PREFIX, NULL});
}

bool server_start_bare(struct server *server, const struct bench *bench, const char *memory)
{
	char path[512], threads[16];
	snprintf(path, sizeof path, "%s/tests/bench/discard", bench->folder);
	snprintf(threads, sizeof threads, "%ld", sysconf(_SC_NPROCESSORS_ONLN));
	return start(server, (const char *[]){path, threads, memory, NULL});
}

void server_bare_path(char *path, size_t size, uint64_t reply_bytes)
{
	snprintf(path, size, "/?reply_bytes=%llu", (unsigned long long)reply_bytes);
}

double server_bytes(const struct server *server, const char *field)
{
	char path[64], line[256];
	double kilobytes = (double)NAN;
	snprintf(path, sizeof path, "/proc/%d/status", (int)server->pid);
	FILE *status = fopen(path, "r");
	while (status && fgets(line, sizeof line, status))
		if (strncmp(line, field, strlen(field)) == 0)
			kilobytes = strtod(line + strlen(field), NULL);
	if (status)
		fclose(status);
	return kilobytes * 1024.0;
}

double server_minor_faults(const struct server *server)
{
	char path[64], line[1024] = "";
	unsigned long faults;
	snprintf(path, sizeof path, "/proc/%d/stat", (int)server->pid);
	FILE *stat = fopen(path, "r");
	size_t n = stat ? fread(line, 1, sizeof line - 1, stat) : 0;
	if (stat)
		fclose(stat);
	line[n] = '\0';
	/* Past the name, which may have anything in it: state and six numbers stand before. */
	const char *rest = strrchr(line, ')');
	bool known = rest && sscanf(rest, ") %*c %*d %*d %*d %*d %*d %*u %lu", &faults) == 1;
	return known ? (double)faults : (double)NAN;
}
