/*
 * The real server as a child process, on a port of its own. The binary is $LOSSD, else
 * $BUILD/lossd, else build/lossd. Functions that can fail print the reason to standard error and
 * say so by their result, so that they fit cmocka's set-up functions. A child dies with the test
 * that started it.
 */
#ifndef TESTS_SERVER_H
#define TESTS_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/types.h>

struct server {
	pid_t pid;    /* 0: not running */
	int out;      /* read end of its standard output */
	FILE *log;    /* what it writes to standard error */
	char url[64]; /* "http://127.0.0.1:PORT" */
	uint16_t port;
};

/*
 * Starts it with `--listen 127.0.0.1:0`, then the flags, and LOSSD_HOSTS=*, so that a raw request
 * may have any Host: --hosts auto is its default. Both lists end with NULL or are NULL.
 * Environment entries are "NAME=value"; LOSSD_* of the caller's own environment is not passed on,
 * but for LOSSD_ISA.
 * Returns when the ready line has been read: 0, or -1 when there was none (the child is gone then).
 */
int server_start(struct server *server, const char *const *flags, const char *const *environment);

/* Those started from now on may have so many files open at once; 0: as many as this process. */
void server_limit_files(rlim_t files);

/* Those started from now on are given these listening sockets (LISTEN_FDS), with names that have
 * colons between them; 0 of them: none. */
void server_give_sockets(const int *fds, size_t n, const char *names);

/* The next line of its standard output, after the ready line; false when none comes. */
bool server_line(struct server *server, char *line, size_t size);

/*
 * SIGTERM, then waits for the end: its exit code, 128 + N when signal N ended it, or -1 when it had
 * to be killed after a minute. What it logged is printed when the result is not 0. server_wait is
 * the same without the signal.
 */
int server_stop(struct server *server);
int server_wait(struct server *server);
void server_kill(struct server *server); /* SIGKILL, at once; fine when it is not running */

/* All of standard error so far, terminated; the caller frees it. NULL when there is no memory. */
char *server_log(const struct server *server);
/* How often these words stand there. It is written by a thread of the server's own, in order: await
 * returns when they stand there n times, or what there is after a minute. */
int server_log_count(const struct server *server, const char *words);
int server_log_await(const struct server *server, const char *words, int n);

/* Peak and present resident bytes of the process; 0 where the system does not tell. */
size_t server_peak_bytes(const struct server *server);
size_t server_resident_bytes(const struct server *server);

/* One run from start to end, for --help and wrong settings. */
struct server_run {
	int code; /* exit code, 128 + signal, or -1 when it did not end within half a minute */
	char *out, *err;
};

/* Runs the binary with exactly these flags. 0, or -1 when it could not be run. Free with
 * server_run_free. */
int server_run(struct server_run *run, const char *const *flags, const char *const *environment);
void server_run_free(struct server_run *run);

/* The monotonic clock, in milliseconds. */
int64_t now_ms(void);

/* True in builds whose memory and time say nothing about the product: ASan, TSan. */
bool built_with_sanitizer(void);

#endif
