#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#define START_MS 30000
#define STOP_MS 60000
#define RUN_MS 30000
#define READY "lossd: ready on http://"
#define LISTENERS "\"listeners\":\""

#ifdef __APPLE__
extern char **environ; /* elsewhere unistd.h has it */
#endif

struct child {
	const char *program;
	const char **argv;
	const char **envp;
	pid_t parent;
	int out, err;
};

static size_t list_length(const char *const *list)
{
	size_t n = 0;
	while (list != NULL && list[n] != NULL)
		n++;
	return n;
}

/* Two lists as one, terminated; the entries are borrowed. */
static const char **join(const char *const *first, const char *const *second)
{
	size_t n = list_length(first);
	size_t m = list_length(second);
	const char **all = calloc(n + m + 1, sizeof(*all));
	if (all == NULL)
		return NULL;
	for (size_t i = 0; i < n; i++)
		all[i] = first[i];
	for (size_t i = 0; i < m; i++)
		all[n + i] = second[i];
	return all;
}

/* The caller's environment without settings of the server, then the extra entries (which win over
 * it). */
static const char **make_environment(const char *const *extra)
{
	size_t n = list_length((const char *const *)environ);
	const char **kept = calloc(n + 1, sizeof(*kept));
	if (kept == NULL)
		return NULL;
	size_t k = 0;
	for (size_t i = 0; i < n; i++) {
		bool ours = strncmp(environ[i], "LOSSD_", 6) == 0 &&
			    strncmp(environ[i], "LOSSD_ISA=", 10) != 0;
		for (size_t j = 0; !ours && extra != NULL && extra[j] != NULL; j++)
			ours = strncmp(environ[i], extra[j], strcspn(extra[j], "=") + 1) == 0;
		if (!ours)
			kept[k++] = environ[i];
	}
	const char **all = join(kept, extra);
	free(kept);
	return all;
}

static rlim_t file_limit;

void server_limit_files(rlim_t files)
{
	file_limit = files;
}

/* What server_give_sockets was told; the variables hold what is in them when the child starts. */
#define MAX_GIVEN 16
#define FIRST_GIVEN 3
static struct {
	int fds[MAX_GIVEN];
	size_t n;
	char pid[32], count[32], names[512];
} given;

void server_give_sockets(const int *fds, size_t n, const char *names)
{
	given.n = n < MAX_GIVEN ? n : MAX_GIVEN;
	for (size_t i = 0; i < given.n; i++)
		given.fds[i] = fds[i];
	snprintf(given.count, sizeof(given.count), "LISTEN_FDS=%zu", given.n);
	snprintf(given.names, sizeof(given.names), "LISTEN_FDNAMES=%s", names);
}

/* In the child, whose descriptors from 3 on are its own by now. */
static bool take_given(void)
{
	int copies[MAX_GIVEN];
	snprintf(given.pid, sizeof(given.pid), "LISTEN_PID=%ld", (long)getpid());
	for (size_t i = 0; i < given.n; i++)
		if ((copies[i] = fcntl(given.fds[i], F_DUPFD_CLOEXEC, FIRST_GIVEN + MAX_GIVEN)) < 0)
			return false;
	for (size_t i = 0; i < given.n; i++)
		if (dup2(copies[i], FIRST_GIVEN + (int)i) < 0)
			return false;
	return true;
}

/* Between fork and exec: only calls that are safe there. */
static void become(const struct child *child)
{
#ifdef __linux__
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != child->parent)
		_exit(127); /* the parent died before the line above */
#endif
	const struct rlimit files = {file_limit, file_limit};
	if (file_limit > 0 && setrlimit(RLIMIT_NOFILE, &files) != 0)
		_exit(127);
	int null = open("/dev/null", O_RDONLY);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(child->out, STDOUT_FILENO) < 0 ||
	    dup2(child->err, STDERR_FILENO) < 0 || !take_given())
		_exit(127);
	/* execve takes char *const[] for historical reasons and changes nothing. */
	union {
		const char **in;
		char *const *out;
	} argv = {.in = child->argv}, envp = {.in = child->envp};
	execve(child->program, argv.out, envp.out);
	_exit(127);
}

static const char *find_binary(char *room, size_t size)
{
	const char *path = getenv("LOSSD");
	if (path != NULL && path[0] != '\0')
		return path;
	const char *build = getenv("BUILD");
	snprintf(room, size, "%s/lossd", build != NULL && build[0] != '\0' ? build : "build");
	return room;
}

/* Starts the binary; server->out and server->log are its outputs. */
static int launch(struct server *server, const char *const *first, const char *const *flags,
		  const char *const *environment)
{
	*server = (struct server){.out = -1};
	char room[4096];
	int ends[2] = {-1, -1};
	const char *program = find_binary(room, sizeof(room));
	const char *self[] = {program, NULL};
	const char **head = join(self, first);
	const char *const sockets[] = {given.pid, given.count, given.names, NULL};
	const char **all = join(given.n > 0 ? sockets : NULL, environment);
	struct child child = {
		.program = program,
		.argv = join(head, flags),
		.envp = make_environment(all),
		.parent = getpid(),
	};
	server->log = tmpfile();
	if (head != NULL && all != NULL && child.argv != NULL && child.envp != NULL &&
	    server->log != NULL && pipe(ends) == 0) {
		/* No other child may hold these: the end of the pipe is how the end of this one is
		 * seen. */
		fcntl(ends[0], F_SETFD, FD_CLOEXEC);
		fcntl(ends[1], F_SETFD, FD_CLOEXEC);
		fcntl(fileno(server->log), F_SETFD, FD_CLOEXEC);
		child.out = ends[1];
		child.err = fileno(server->log);
		server->out = ends[0];
		server->pid = fork();
		if (server->pid == 0)
			become(&child);
		close(ends[1]);
	}
	free(child.argv);
	free(child.envp);
	free(all);
	free(head);
	if (server->pid > 0)
		return 0;
	fprintf(stderr, "can not start %s: %s\n", program, strerror(errno));
	server_kill(server);
	return -1;
}

int64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* The next bytes of its output: their number, 0 at its end, -1 when the time is up. */
static ssize_t read_output(const struct server *server, char *out, size_t size, int64_t until_ms)
{
	for (;;) {
		int64_t left = until_ms - now_ms();
		struct pollfd p = {.fd = server->out, .events = POLLIN};
		int ready = left > 0 ? poll(&p, 1, (int)left) : 0;
		if (ready == 0)
			return -1;
		ssize_t n = ready > 0 ? read(server->out, out, size) : -1;
		if (n >= 0)
			return n;
		if (errno != EINTR)
			return -1;
	}
}

bool server_line(struct server *server, char *line, size_t size)
{
	int64_t until = now_ms() + START_MS;
	for (size_t n = 0; n + 1 < size && read_output(server, line + n, 1, until) == 1; n++) {
		if (line[n] != '\n')
			continue;
		line[n] = '\0';
		return true;
	}
	return false;
}

/* The port after the last colon of a text that begins with a URL and ends after it. */
static bool take_port(struct server *server, const char *text)
{
	const char *colon = strrchr(text, ':');
	unsigned long port = colon ? strtoul(colon + 1, NULL, 10) : 0;
	if (port == 0 || port > UINT16_MAX)
		return false;
	server->port = (uint16_t)port;
	snprintf(server->url, sizeof(server->url), "http://127.0.0.1:%u", (unsigned)server->port);
	return true;
}

/* Reads lines until the ready line; false when there is none. */
static bool read_ready_line(struct server *server)
{
	char line[512];
	while (server_line(server, line, sizeof(line)))
		if (strncmp(line, READY, strlen(READY)) == 0)
			return take_port(server, line);
	return false;
}

/* With log_format json it is a line of the log. */
static bool find_ready_line(struct server *server)
{
	bool found = false;
	for (int64_t until = now_ms() + START_MS; !found && now_ms() < until;) {
		char *log = server_log(server);
		char *url = log ? strstr(log, LISTENERS) : NULL;
		char *end = url ? strchr(url + strlen(LISTENERS), '"') : NULL;
		if (end) {
			*end = '\0';
			found = take_port(server, url + strlen(LISTENERS));
		}
		free(log);
		poll(NULL, 0, found ? 0 : 5);
	}
	return found;
}

static bool logs_json(const char *const *flags)
{
	for (; flags && *flags; flags++)
		if (strcmp(*flags, "--log-format") == 0 && flags[1])
			return strcmp(flags[1], "json") == 0;
	return false;
}

static void print_log(const struct server *server)
{
	char *text = server_log(server);
	fprintf(stderr, "--- what lossd said:\n%s---\n", text != NULL ? text : "(no memory)\n");
	free(text);
}

int server_start(struct server *server, const char *const *flags, const char *const *environment)
{
	static const char *const listen[] = {"--listen", "127.0.0.1:0", NULL};
	static const char *const hosts[] = {"LOSSD_HOSTS=*", NULL};
	const char **all = join(hosts, environment);
	int launched = all ? launch(server, listen, flags, all) : -1;
	free(all);
	if (launched != 0)
		return -1;
	if (logs_json(flags) ? find_ready_line(server) : read_ready_line(server))
		return 0;
	fprintf(stderr, "lossd did not say that it is ready\n");
	print_log(server);
	server_kill(server);
	return -1;
}

/* Waits for the end of its output, which is the end of the process, and reaps it. */
static int reap(struct server *server, int64_t limit_ms)
{
	char rest[512];
	int64_t until = now_ms() + limit_ms;
	ssize_t n = 1;
	while (n > 0)
		n = read_output(server, rest, sizeof(rest), until);
	if (n < 0)
		kill(server->pid, SIGKILL);
	int status = 0;
	while (waitpid(server->pid, &status, 0) < 0 && errno == EINTR)
		;
	server->pid = 0;
	if (n < 0)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void close_outputs(struct server *server)
{
	if (server->out >= 0)
		close(server->out);
	if (server->log != NULL)
		fclose(server->log);
	server->out = -1;
	server->log = NULL;
}

int server_wait(struct server *server)
{
	if (server->pid <= 0)
		return -1;
	int code = reap(server, STOP_MS);
	if (code != 0)
		print_log(server);
	close_outputs(server);
	return code;
}

int server_stop(struct server *server)
{
	if (server->pid <= 0)
		return -1;
	kill(server->pid, SIGTERM);
	return server_wait(server);
}

void server_kill(struct server *server)
{
	if (server->pid > 0) {
		kill(server->pid, SIGKILL);
		reap(server, STOP_MS);
	}
	server->pid = 0;
	close_outputs(server);
}

char *server_log(const struct server *server)
{
	/* Read at offsets of our own: the descriptor's offset is shared with the child, who writes
	 * at it. */
	size_t size = 0, room = 4096;
	char *text = malloc(room);
	while (text != NULL && server->log != NULL) {
		ssize_t n = pread(fileno(server->log), text + size, room - size - 1, (off_t)size);
		if (n <= 0)
			break;
		size += (size_t)n;
		if (size + 1 < room) /* the child may write as fast as this reads */
			continue;
		char *more = realloc(text, room *= 2);
		if (more == NULL)
			free(text);
		text = more;
	}
	if (text != NULL)
		text[size] = '\0';
	return text;
}

int server_log_count(const struct server *server, const char *words)
{
	char *log = server_log(server);
	int n = 0;
	for (const char *at = log; at != NULL && (at = strstr(at, words)) != NULL; at++)
		n++;
	free(log);
	return n;
}

int server_log_await(const struct server *server, const char *words, int n)
{
	int found = server_log_count(server, words);
	for (int ms = 0; found < n && ms < 60000; ms += 5) {
		poll(NULL, 0, 5);
		found = server_log_count(server, words);
	}
	return found;
}

static size_t status_kib(const struct server *server, const char *field)
{
	char path[64], line[256];
	size_t kib = 0;
	snprintf(path, sizeof(path), "/proc/%ld/status", (long)server->pid);
	FILE *file = fopen(path, "r");
	while (file != NULL && fgets(line, sizeof(line), file) != NULL)
		if (strncmp(line, field, strlen(field)) == 0)
			kib = strtoul(line + strlen(field), NULL, 10);
	if (file != NULL)
		fclose(file);
	return kib;
}

size_t server_peak_bytes(const struct server *server)
{
	return status_kib(server, "VmHWM:") * 1024;
}

size_t server_resident_bytes(const struct server *server)
{
	return status_kib(server, "VmRSS:") * 1024;
}

int server_run(struct server_run *run, const char *const *flags, const char *const *environment)
{
	*run = (struct server_run){.code = -1};
	struct server server;
	if (launch(&server, NULL, flags, environment) != 0)
		return -1;
	size_t size = 0, room = 65536;
	run->out = malloc(room);
	int64_t until = now_ms() + RUN_MS;
	while (run->out != NULL && size + 1 < room) {
		ssize_t n = read_output(&server, run->out + size, room - size - 1, until);
		if (n <= 0)
			break;
		size += (size_t)n;
	}
	if (run->out != NULL)
		run->out[size] = '\0';
	run->code = reap(&server, now_ms() < until ? until - now_ms() : 0);
	run->err = server_log(&server);
	close_outputs(&server);
	return run->out != NULL && run->err != NULL ? 0 : -1;
}

void server_run_free(struct server_run *run)
{
	free(run->out);
	free(run->err);
	run->out = run->err = NULL;
}

bool built_with_sanitizer(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	return true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
	return true;
#else
	return false;
#endif
#else
	return false;
#endif
}
