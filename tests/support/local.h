/* Unix sockets as tests see them. Everything fails the running test when the machine does not play
 * along. */
#ifndef TESTS_LOCAL_H
#define TESTS_LOCAL_H

#include <stdbool.h>
#include <sys/un.h>

/* The address of a path, which must fit. */
struct sockaddr_un local_address(const char *path);
/* A stream socket that is bound there, and does not listen; close() it. */
int local_bind(const char *path);
/* A client's connection; -1 with errno set: there is nobody. */
int local_connect(const char *path);

#endif
