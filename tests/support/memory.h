/* What the tests of arenas and of buffers share: sizes of src/arena.c, budgets, failures. */
#ifndef TESTS_MEMORY_H
#define TESTS_MEMORY_H

#include "arena.h"
#include "budget.h"

#define BLOCK ((size_t)16384)
#define PAGE ((size_t)4096)
#define MAPPED ((size_t)1 << 18)

struct loss_budget budget_of(size_t limit);
/* Never NULL. */
struct loss_arena *create_arena(struct loss_budget *budget);
size_t held(struct loss_budget *budget);
/* The arena has failed with that status, and its detail has these words. */
void expect_failure(const struct loss_arena *arena, loss_status status, const char *words);

#endif
