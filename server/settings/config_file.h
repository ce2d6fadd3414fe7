/* The configuration file: JSON with comments, read once, before there are threads. */
#ifndef LOSSD_CONFIG_FILE_H
#define LOSSD_CONFIG_FILE_H

#include "config.h"

/* Reads a file over what config holds; false when a line about it went to standard error. */
bool config_file_load(const char *path, struct config *config);

#endif
