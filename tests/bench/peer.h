/*
 * Another implementation, as a child process that answers questions on its standard output.
 *
 *   bench: "<forward|backward> <rows> <classes> <threads>\n"   a cross entropy, F32 logits
 *   peer:  "<seconds>\n"                                       of one call, timed there
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
/* NaN when the peer is absent or has failed, with the reason in `about`. */
double peer_ask(struct peer *peer, bool grad, size_t rows, size_t classes, int threads);
void peer_stop(struct peer *peer);

#endif
