/* The table of paths: what the server has. A new page is a row here. */
#ifndef LOSSD_ROUTES_H
#define LOSSD_ROUTES_H

#include "http/route.h"

extern const struct route routes[]; /* ends with a NULL path */
#define ROUTES_N 32

#endif
