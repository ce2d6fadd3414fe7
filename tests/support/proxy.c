#include "proxy.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "capture.h"
#include "certificates.h"

#define START_MS 20000
#define TRIES 5 /* another process may take a port between its choice and its use */
#define MAX_ARGS 8
#define CONFIG_SIZE 32768

static const char *const haproxy_flags[] = {"-db", "-f", NULL};
const struct proxy_kind proxy_haproxy = {
	.program = "haproxy",
	.config = "docker/haproxy.cfg",
	.flags = haproxy_flags,
	.changes = {{"bind :8000", "bind 127.0.0.1:%u", PROXY_PORT},
		    {"127.0.0.1:8080", "127.0.0.1:%u", PROXY_SERVER}},
};

/* A port and a folder are two changes. */
const struct proxy_kind proxy_haproxy_tls = {
	.program = "haproxy",
	.config = "docker/haproxy.cfg",
	.flags = haproxy_flags,
	.changes = {{"bind :8000", "bind 127.0.0.1:%u ssl crt FRONT", PROXY_PORT},
		    {"FRONT", "%s/front.both", PROXY_FOLDER},
		    {"127.0.0.1:8080", "127.0.0.1:%u", PROXY_SERVER}},
	.tls = true,
};

static const char *const nginx_flags[] = {
	"-e", "stderr", "-g", "daemon off; master_process off; pid /dev/null;", "-c", NULL};
#define NGINX_CHANGES                                                                              \
	{"127.0.0.1:8080", "127.0.0.1:%u", PROXY_SERVER},                                          \
		{"/dev/stdout", "%s/access.log", PROXY_FOLDER},                                    \
		{"http {\n",                                                                       \
		 "http {\nclient_body_temp_path %1$s/body; proxy_temp_path %1$s/proxy;\n",         \
		 PROXY_FOLDER},                                                                    \
	{                                                                                          \
		"http {\n",                                                                        \
			"http {\nfastcgi_temp_path %1$s/a; uwsgi_temp_path %1$s/b; "               \
			"scgi_temp_path %1$s/c;\n",                                                \
			PROXY_FOLDER                                                               \
	}
const struct proxy_kind proxy_nginx = {
	.program = "nginx",
	.config = "docker/nginx.conf",
	.flags = nginx_flags,
	.changes = {{"listen 8000;", "listen 127.0.0.1:%u;", PROXY_PORT}, NGINX_CHANGES},
};
const struct proxy_kind proxy_nginx_tls = {
	.program = "nginx",
	.config = "docker/nginx.conf",
	.flags = nginx_flags,
	.changes = {{"listen 8000;", "listen 127.0.0.1:%u ssl; FRONT", PROXY_PORT},
		    {"FRONT", "ssl_certificate %1$s/front.pem; ssl_certificate_key %1$s/front.key;",
		     PROXY_FOLDER},
		    NGINX_CHANGES},
	.tls = true,
};

/* ---------------------------------------------------------------- the program */

/* Where it is; false when it is nowhere. */
static bool find_program(const char *name, char *out, size_t size)
{
	char folders[4096];
	const char *path = getenv("PATH");
	snprintf(folders, sizeof folders, "%s:/usr/sbin:/usr/local/sbin", path ? path : "");
	for (char *rest = folders, *folder; (folder = strsep(&rest, ":"));) {
		snprintf(out, size, "%s/%s", folder, name);
		if (access(out, X_OK) == 0)
			return true;
	}
	return false;
}

bool proxy_is_there(const struct proxy_kind *kind)
{
	char path[4096];
	return find_program(kind->program, path, sizeof path);
}

/* ---------------------------------------------------------------- its configuration */

static void replace(char *text, const char *old, const char *new)
{
	char *at = strstr(text, old);
	if (!at)
		fail_msg("the configuration has no \"%s\"", old);
	size_t n_old = strlen(old), n_new = strlen(new);
	assert_true(strlen(text) + n_new < CONFIG_SIZE);
	memmove(at + n_new, at + n_old, strlen(at + n_old) + 1);
	memcpy(at, new, n_new);
}

static void change(char *text, const struct proxy_change *change, const struct proxy *proxy,
		   const struct server *server)
{
	char new[1024];
	unsigned port = change->value == PROXY_SERVER ? server->port : proxy->front.port;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	if (change->value == PROXY_FOLDER)
		snprintf(new, sizeof new, change->format, proxy->folder);
	else
		snprintf(new, sizeof new, change->format, port);
#pragma GCC diagnostic pop
	replace(text, change->text, new);
}

static void write_config(const struct proxy *proxy, const struct proxy_kind *kind,
			 const struct server *server, const char *path)
{
	char text[CONFIG_SIZE];
	FILE *file = fopen(kind->config, "r");
	assert_non_null(file);
	text[fread(text, 1, sizeof text - 1, file)] = '\0';
	fclose(file);
	for (const struct proxy_change *c = kind->changes; c->text; c++)
		change(text, c, proxy, server);
	write_file(path, text);
}

/* ---------------------------------------------------------------- its life */

static uint16_t free_port(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
	socklen_t size = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)(void *)&address, size), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)(void *)&address, &size), 0);
	close(fd);
	return ntohs(address.sin_port);
}

/* Between fork and exec. */
static void become(const char *program, const char **argv, int log, pid_t parent)
{
#ifdef __linux__
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
#else
	(void)parent;
#endif
	union {
		const char **in;
		char *const *out;
	} arguments = {.in = argv};
	int null = open("/dev/null", O_RDONLY);
	if (null >= 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(log, STDOUT_FILENO) >= 0 &&
	    dup2(log, STDERR_FILENO) >= 0)
		execv(program, arguments.out);
	_exit(127);
}

static void append_file(FILE *to, const char *path)
{
	char text[8192];
	FILE *from = fopen(path, "r");
	assert_non_null(from);
	fwrite(text, 1, fread(text, 1, sizeof text, from), to);
	fclose(from);
}

/* front.pem and front.key, and both in front.both, as HAProxy has them. */
static void make_certificate(const struct proxy *proxy)
{
	struct certificate front;
	char path[512];
	certificate_make(&(struct certificate_wish){.folder = proxy->folder,
						    .name = "front",
						    .use = FOR_SERVERS},
			 &front);
	snprintf(path, sizeof path, "%s/front.both", proxy->folder);
	FILE *both = fopen(path, "w");
	assert_non_null(both);
	append_file(both, front.certificate);
	append_file(both, front.key);
	fclose(both);
}

static void launch(struct proxy *proxy, const struct proxy_kind *kind, const char *config)
{
	char program[4096];
	const char *argv[MAX_ARGS + 1] = {kind->program};
	size_t n = 1;
	assert_true(find_program(kind->program, program, sizeof program));
	for (; kind->flags[n - 1]; n++)
		argv[n] = kind->flags[n - 1];
	argv[n] = config;
	proxy->log = tmpfile();
	assert_non_null(proxy->log);
	pid_t parent = getpid();
	proxy->pid = fork();
	if (proxy->pid == 0)
		become(program, argv, fileno(proxy->log), parent);
	assert_true(proxy->pid > 0);
}

static bool takes_connections(const struct proxy *proxy)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons(proxy->front.port),
				      .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	bool taken = connect(fd, (struct sockaddr *)(void *)&address, sizeof address) == 0;
	close(fd);
	return taken;
}

/* False when it has ended instead. */
static bool wait_until_ready(struct proxy *proxy)
{
	int64_t until = now_ms() + START_MS;
	while (now_ms() < until) {
		if (waitpid(proxy->pid, NULL, WNOHANG) == proxy->pid) {
			proxy->pid = 0;
			return false;
		}
		if (takes_connections(proxy))
			return true;
		poll(NULL, 0, 10);
	}
	return false;
}

static void print_log(const struct proxy *proxy)
{
	char text[4096];
	ssize_t n = pread(fileno(proxy->log), text, sizeof text - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	print_error("--- what the proxy said:\n%s---\n", text);
}

void proxy_start(struct proxy *proxy, const struct proxy_kind *kind, const struct server *server)
{
	char config[512];
	for (int i = 0; i < TRIES; i++) {
		*proxy = (struct proxy){.front = {.port = free_port()}};
		snprintf(proxy->front.url, sizeof proxy->front.url, "http://127.0.0.1:%u",
			 (unsigned)proxy->front.port);
		make_folder(proxy->folder, sizeof proxy->folder);
		snprintf(config, sizeof config, "%s/config", proxy->folder);
		write_config(proxy, kind, server, config);
		if (kind->tls)
			make_certificate(proxy);
		launch(proxy, kind, config);
		if (wait_until_ready(proxy))
			return;
		print_log(proxy);
		proxy_stop(proxy);
	}
	fail_msg("%s does not start", kind->program);
}

void proxy_stop(struct proxy *proxy)
{
	if (proxy->pid > 0) {
		kill(proxy->pid, SIGKILL);
		while (waitpid(proxy->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	if (proxy->log)
		fclose(proxy->log);
	if (proxy->folder[0] != '\0')
		remove_folder(proxy->folder);
	*proxy = (struct proxy){.pid = 0};
}
