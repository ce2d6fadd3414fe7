/* What the text of a setting may look like, where no other room knows better. */
#ifndef LOSSD_FORMS_H
#define LOSSD_FORMS_H

#include <stdbool.h>

/* "none", or a path: anything but control characters, and not nothing. */
bool form_is_path(const char *text);
/* An octal number of 1 to 4 digits, from 0 to 0777. */
bool form_is_mode(const char *text);
/* "none", or a URL of HTTP with a host, no user, and no white space. */
bool form_is_http_url(const char *text);

#endif
