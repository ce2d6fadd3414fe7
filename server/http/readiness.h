/* Whether the server says that it is ready. Any thread. */
#ifndef LOSSD_READINESS_H
#define LOSSD_READINESS_H

#include "server.h"

/* False while it stops, and while the compute thread does not answer. What has changed since the
 * last look is logged. */
bool readiness_look(struct server *server);

#endif
