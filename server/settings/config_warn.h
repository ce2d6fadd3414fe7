/* What is odd about the settings and wrong with none of them. */
#ifndef LOSSD_CONFIG_WARN_H
#define LOSSD_CONFIG_WARN_H

#include "config.h"
#include "log/log.h"

/* Says it, a sentence a call: variables that are named like settings and are none, sizes that do
 * not go together. Before there are threads, since it reads the environment. */
void config_warn(const struct config *config,
		 void (*say)(enum log_level level, const char *sentence));

#endif
