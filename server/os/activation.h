/*
 * Listening sockets that whoever started the program has given it, each with a name: the protocol
 * of systemd's sockets (LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES). One set for the process.
 */
#ifndef LOSSD_ACTIVATION_H
#define LOSSD_ACTIVATION_H

#include <stdbool.h>
#include <stddef.h>

/* More than that are not found; one without a name is called "unknown". */
#define ACTIVATION_MAX 64

/* Takes the variables out of the environment, and keeps children from the sockets. Once, before
 * there are threads. */
void activation_start(void);
/* The i-th descriptor of that name, which stays open; -1: there are not so many. Any thread. */
int activation_find(const char *name, size_t i);
/* The name of the i-th of them all; NULL: there are not so many. Any thread. */
const char *activation_name(size_t i);
/* Whether all of that name can be reached from this machine only; false where there is none. */
bool activation_is_local(const char *name);

#endif
