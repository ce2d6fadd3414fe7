/* Several threads for one plan: the one place where there is a parallel region. */
#ifndef LOSS_TEAM_H
#define LOSS_TEAM_H

#include <stddef.h>

/* Item i of what a team shares. */
typedef void team_fn(void *context, size_t i);

/*
 * Items [0, n), each once, in any order, by that many threads; by the calling one alone where
 * threads <= 1. The calling thread keeps its team (OpenMP's) for the next time. Where the caller
 * may run stays as it is; the others of its team keep off the processor that it was on, from then
 * on and in other regions too.
 */
void team_share(int threads, size_t n, team_fn *fn, void *context);

#endif
