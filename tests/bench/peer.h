/*
 * Another implementation, as a child process that answers questions on its standard output.
 *
 *   bench: a line; "<what> <rows> <classes> <threads>" where the peer's own file says nothing else
 *   peer:  "<seconds>\n"                               of one call, timed there
 *
 * Its first line is "ready <name and version>" or "absent <why>".
 */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

struct peer {
	FILE *to, *from;
	pid_t pid;
	bool ready;
	const char *name;
	char about[160]; /* its name and version, or why it is absent */
};

/* The name is what the reason says where nothing answers. */
void peer_start(struct peer *peer, const char *name, const char *const *command);
/* Asks a question, without its end of line. NaN when the peer is absent or has failed, with the
 * reason in `about`. */
__attribute__((format(printf, 2, 3))) double peer_ask(struct peer *peer, const char *format, ...);
void peer_stop(struct peer *peer);

#endif
