/* The largest rate that a server holds. */
#ifndef LOAD_KNEE_H
#define LOAD_KNEE_H

#include "driver.h"

/*
 * Runs the closed model first, which tells what rates there are to look among. From an eighth of
 * its rate on it doubles what is held (99 % answered within the options' p99, nothing failed, all
 * of the rate answered), or halves what is not, and then goes between the last two, to 5 %. The
 * exit status: 1 where none was held.
 */
int find_knee(const struct options *options, struct workload *workload);

#endif
