#include "server.h"

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define DISCARD "exec \"$FOLDER/tests/bench/discard\" \"$CORES\" "
#define LOSSD                                                                                      \
	"exec \"$FOLDER/lossd\" --connection-memory-bytes 32768"                                   \
	" --shm-key-prefix " SERVER_KEY_PREFIX " --listen "
#define FASTAPI "exec \"$PYTHON\" tests/bench/fastapi_server.py "
#define CERTIFICATE "\"$FOLDER/" SERVER_CERTIFICATE ".pem\""
#define KEY "\"$FOLDER/" SERVER_CERTIFICATE ".key\""
_Static_assert(SERVER_MEMORY == 32768, "the commands' number");

static const struct {
	const char *name, *command; /* of a shell */
	bool bare;
	enum channel_kind channel;
} kinds[] = {
	[SERVER_LOSSD] = {"lossd", LOSSD "127.0.0.1:0", false, CHANNEL_PLAIN},
	[SERVER_BARE] = {"bare libmicrohttpd", DISCARD "32768", true, CHANNEL_PLAIN},
	[SERVER_BARE_BEST] = {"bare libmicrohttpd", DISCARD "1048576", true, CHANNEL_PLAIN},
	[SERVER_LOSSD_TLS] = {"lossd with TLS",
			      LOSSD "tls:127.0.0.1:0 --tls-certificate " CERTIFICATE
				    " --tls-key " KEY,
			      false, CHANNEL_TLS},
	[SERVER_BARE_TLS] = {"bare libmicrohttpd with TLS", DISCARD "32768 " CERTIFICATE " " KEY,
			     true, CHANNEL_TLS},
	[SERVER_BARE_TLS_BEST] = {"bare libmicrohttpd with TLS",
				  DISCARD "1048576 " CERTIFICATE " " KEY, true, CHANNEL_TLS},
	[SERVER_FASTAPI] = {"FastAPI", FASTAPI "\"$THREADS\"", false, CHANNEL_PLAIN},
	[SERVER_FASTAPI_ONE_THREAD] = {"FastAPI", FASTAPI "1", false, CHANNEL_PLAIN},
};

/* Reads lines up to the one that has the port; what stands behind that, or what was said instead,
 * is about the server. */
static void read_ready_line(struct server *server, int fd)
{
	char line[256];
	int end = 0;
	FILE *out = fdopen(fd, "r");
	while (out && server->port == 0 && fgets(line, sizeof line, out)) {
		const char *colon = strrchr(line, ':');
		line[strcspn(line, "\n")] = '\0';
		if (sscanf(line, "ready %u %n", &server->port, &end) != 1 &&
		    strstr(line, "ready on") && colon)
			server->port = (unsigned)strtoul(colon + 1, NULL, 10);
		snprintf(server->about, sizeof server->about, "%.*s", (int)sizeof server->about - 1,
			 line + end);
	}
	if (out)
		fclose(out);
}

/* Becomes the server, which ends with this program whatever ends that. */
static _Noreturn void become(const struct bench *bench, const char *command, int out)
{
	char cores[16], threads[16];
	snprintf(cores, sizeof cores, "%ld", sysconf(_SC_NPROCESSORS_ONLN));
	snprintf(threads, sizeof threads, "%d", bench->threads);
	setenv("FOLDER", bench->folder, 1);
	setenv("PYTHON", bench->python, 1);
	setenv("CORES", cores, 1);
	setenv("THREADS", threads, 1);
	unsetenv("GOMP_SPINCOUNT"); /* a server is measured as it is */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (dup2(out, STDOUT_FILENO) >= 0 && freopen("/dev/null", "w", stderr))
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	_exit(127);
}

bool server_start(struct server *server, const struct bench *bench, enum server_kind kind,
		  const char *flags)
{
	int ends[2];
	char command[1024];
	*server = (struct server){.kind = kind, .channel = CHANNEL_NONE};
	snprintf(command, sizeof command, "%s %s", kinds[kind].command, flags ? flags : "");
	if (pipe2(ends, O_CLOEXEC) != 0)
		return false;
	server->pid = fork();
	if (server->pid == 0)
		become(bench, command, ends[1]);
	close(ends[1]);
	read_ready_line(server, ends[0]);
	if (server->port && channel_open(&server->channel, server->port, kinds[kind].channel))
		return true;
	if (server->about[0] == '\0' || server->port)
		snprintf(server->about, sizeof server->about, "%s did not start", kinds[kind].name);
	return false;
}

void server_stop(struct server *server)
{
	channel_close(&server->channel);
	if (server->pid > 0) {
		kill(server->pid, SIGTERM);
		waitpid(server->pid, NULL, 0);
	}
}

void server_path(const struct server *server, const char *path, uint64_t reply_bytes, char *out,
		 size_t size)
{
	if (kinds[server->kind].bare)
		snprintf(out, size, "/?reply_bytes=%llu", (unsigned long long)reply_bytes);
	else
		snprintf(out, size, "%s", path);
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

size_t server_files(const struct server *server)
{
	char path[64];
	size_t n = 0;
	snprintf(path, sizeof path, "/proc/%d/fd", (int)server->pid);
	DIR *folder = opendir(path);
	while (folder && readdir(folder))
		n++;
	if (folder)
		closedir(folder);
	return n;
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
