/* The handler of bodies that have a problem a line: as many replies in one. */
#ifndef LOSSD_ROUTE_LINES_H
#define LOSSD_ROUTE_LINES_H

#include "http/handler.h"

extern const struct handler lines_handler;

#endif
