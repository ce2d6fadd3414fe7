#include "peer.h"

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static void fail(struct peer *peer, const char *why)
{
	peer->ready = false;
	snprintf(peer->about, sizeof peer->about, "%s %s", peer->name, why);
}

static bool read_line(struct peer *peer, char *line, size_t size)
{
	if (!fgets(line, (int)size, peer->from))
		return false;
	line[strcspn(line, "\n")] = 0;
	return true;
}

/* Starts the command with its standard input and output at two pipes. */
static bool spawn(struct peer *peer, const char *const *command, int in, int out)
{
	posix_spawn_file_actions_t actions;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	char *arguments[8] = {0};
	for (size_t i = 0; i < 7 && command[i]; i++)
		arguments[i] = strdup(command[i]);
	int failed = posix_spawnp(&peer->pid, command[0], &actions, NULL, arguments, environ);
	for (size_t i = 0; i < 7; i++)
		free(arguments[i]);
	posix_spawn_file_actions_destroy(&actions);
	return failed == 0;
}

void peer_start(struct peer *peer, const char *name, const char *const *command)
{
	int to[2], from[2];
	*peer = (struct peer){.name = name};
	signal(SIGPIPE, SIG_IGN);
	if (pipe2(to, O_CLOEXEC) != 0 || pipe2(from, O_CLOEXEC) != 0) {
		fail(peer, "was not started: no pipe");
		return;
	}
	bool started = spawn(peer, command, to[0], from[1]);
	close(to[0]);
	close(from[1]);
	peer->to = fdopen(to[1], "w");
	peer->from = fdopen(from[0], "r");
	char line[sizeof peer->about] = "";
	if (!started || !read_line(peer, line, sizeof line))
		fail(peer, "is not installed (make bench-peers)");
	else if (strncmp(line, "ready ", 6) == 0)
		peer->ready = snprintf(peer->about, sizeof peer->about, "%s", line + 6) > 0;
	else
		fail(peer, strncmp(line, "absent ", 7) == 0 ? line + 7 : "did not start");
}

double peer_ask(struct peer *peer, const char *format, ...)
{
	char line[sizeof peer->about];
	if (!peer->ready)
		return (double)NAN;
	va_list arguments;
	va_start(arguments, format);
	vfprintf(peer->to, format, arguments);
	va_end(arguments);
	fputc('\n', peer->to);
	fflush(peer->to);
	if (!read_line(peer, line, sizeof line)) {
		fail(peer, "died");
		return (double)NAN;
	}
	char *end;
	double seconds = strtod(line, &end);
	if (end != line && seconds > 0.0)
		return seconds;
	fail(peer, "gave no time");
	return (double)NAN;
}

void peer_stop(struct peer *peer)
{
	if (peer->to)
		fclose(peer->to); /* the end of its input is the end of it */
	if (peer->from)
		fclose(peer->from);
	if (peer->pid > 0)
		waitpid(peer->pid, NULL, 0);
}
