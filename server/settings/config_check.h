/* Settings that are right alone and wrong together. */
#ifndef LOSSD_CONFIG_CHECK_H
#define LOSSD_CONFIG_CHECK_H

#include "config.h"

/* False when a line about them went to standard error. */
bool config_check(const struct config *config);

#endif
