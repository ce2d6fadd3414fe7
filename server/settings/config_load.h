/*
 * Where settings come from: one table (settings.c) of key, type, default, range and help makes the
 * file, the environment, the flags, --help and --check-config. Flags win over environment (LOSSD_ +
 * upper case), over the file, over the defaults.
 */
#ifndef LOSSD_CONFIG_LOAD_H
#define LOSSD_CONFIG_LOAD_H

#include "config.h"

enum config_action {
	CONFIG_SERVE,
	CONFIG_CHECK,  /* --check-config: right, and printed; its files are still to be read */
	CONFIG_EXIT_0, /* --help, --version: done, printed to stdout */
	CONFIG_EXIT_2, /* one clear line went to stderr */
};

/* Reads flags, environment and file. */
enum config_action config_load(struct config *config, int argc, char **argv);
/* The same again while it serves, with the file as it is now. False: it is wrong, which `say` has
 * been told, and what config holds is of no use. */
bool config_load_again(struct config *config, int argc, char **argv,
		       void (*say)(const char *sentence));

#endif
