/* Variables of the environment that hold numbers. Before there are threads that change any. */
#ifndef LOSSD_VARIABLE_H
#define LOSSD_VARIABLE_H

#include <stdbool.h>
#include <stdint.h>

/* The whole number that is all of the variable, or UINT64_MAX where it is larger. False, and
 * *number is 0: there is no such variable, or something else stands in it. */
bool variable_number(const char *name, uint64_t *number);

#endif
