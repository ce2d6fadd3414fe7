/*
 * Which hosts a request may be for: what stops a page whose name has been made to point at this
 * machine (DNS rebinding). A list is the value of the setting hosts: "*", or entries between
 * commas. An entry is a host name or address, which stands for any port, one with a port, or
 * "loopback", which stands for this machine's own names and addresses. "auto" is not a list until
 * hosts_auto has replaced it. Pure functions; names are compared without regard to case.
 */
#ifndef LOSSD_HOSTS_H
#define LOSSD_HOSTS_H

#include <stdbool.h>

#define HOSTS_AUTO "auto"

bool hosts_is_list(const char *text); /* true of "auto", too */
/* The list that "auto" stands for: "loopback" where the server can be reached from this machine
 * only, else "*". */
const char *hosts_auto(bool local);
/* Whether a request may have this Host. */
bool hosts_allow(const char *list, const char *host);

#endif
