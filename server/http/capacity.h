/* What the machine lets a server carry: connections take descriptors and memory, and where there
 * is too little of either, fewer are taken than the settings ask for. */
#ifndef LOSSD_CAPACITY_H
#define LOSSD_CAPACITY_H

#include "settings/config.h"

/* Raises the limit of open files as far as that goes, and lowers config->connections to what fits
 * it and the memory budget; a line in the log says so where it is much. */
void capacity_fit(struct config *config, size_t listeners);

/* Threads that serve connections: io_threads of each of libmicrohttpd's daemons, of which a server
 * that listens in plain text and for TLS has two. */
size_t capacity_threads(const struct config *config);
/* Memory of one connection: its pool, and what libmicrohttpd, this program and, where one may speak
 * TLS, GnuTLS keep beside it. */
size_t capacity_connection_bytes(const struct config *config);
/* The descriptors of connections are below this one. */
size_t capacity_descriptors(const struct config *config, size_t listeners);

#endif
