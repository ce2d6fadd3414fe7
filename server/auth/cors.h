/*
 * Which origins' pages may read replies in a browser (the CORS protocol of the Fetch standard), and
 * ask for what changes something. A
 * list is the value of the setting cors_origins: "none", "*", or origins between commas, such as
 * "https://app.example,http://localhost:3000". Origins are compared byte by byte, as browsers write
 * them.
 */
#ifndef LOSSD_CORS_H
#define LOSSD_CORS_H

#include <stdbool.h>

bool cors_is_list(const char *text);
/* The value of Access-Control-Allow-Origin in the reply to a request from an origin (NULL: the
 * request names none): "*", the origin itself, or NULL for no such header. */
const char *cors_allow(const char *list, const char *origin);
/* Whether replies differ by origin, which caches must be told (Vary). */
bool cors_varies(const char *list);
/*
 * Whether a request comes from a page that is neither one of this server, since its origin has the
 * host and the port of the request's Host (NULL: there is none), nor of an origin that the list
 * allows. A browser sends such a request without asking, and only hides the reply. "null" is the
 * origin of a page that has none; without an origin there is no page.
 */
bool cors_is_foreign(const char *list, const char *origin, const char *host);

#endif
