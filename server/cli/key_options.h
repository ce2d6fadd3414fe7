/* The command line of `lossd key`. */
#ifndef LOSSD_KEY_OPTIONS_H
#define LOSSD_KEY_OPTIONS_H

#include "keys/key.h"

enum key_action {
	KEY_ACTION_NEW,
	KEY_ACTION_LIST,
	KEY_ACTION_REMOVE,
	KEY_N_ACTIONS,
	KEY_ACTION_HELP
};

struct key_options {
	enum key_action action;
	const char *file;
	struct key key; /* of `new` all but its hash; of `remove` its name */
};

/* `now` is when it is, in seconds since 1970. False when a line on standard error has said what is
 * wrong. */
bool key_options_read(struct key_options *options, int argc, char **argv, int64_t now);
void key_options_help(void);
/* One line on standard error; false. */
__attribute__((format(printf, 1, 2))) bool key_complain(const char *format, ...);

#endif
