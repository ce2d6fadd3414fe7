/* The handler of POST /v1/totals/merge: states of totals become one. */
#ifndef LOSSD_ROUTE_MERGE_H
#define LOSSD_ROUTE_MERGE_H

#include "http/handler.h"

extern const struct handler merge_handler;

/* What it answers with. */
page merge_page;

#endif
