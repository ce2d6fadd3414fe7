#include "memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

struct loss_budget budget_of(size_t limit)
{
	return (struct loss_budget){.limit = limit};
}

struct loss_arena *create_arena(struct loss_budget *budget)
{
	struct loss_arena *arena = loss_arena_create(budget);
	assert_non_null(arena);
	return arena;
}

size_t held(struct loss_budget *budget)
{
	return loss_budget_held(budget);
}

void expect_failure(const struct loss_arena *arena, loss_status status, const char *words)
{
	struct loss_error err;
	assert_int_equal(loss_arena_failure(arena, &err), status);
	assert_int_equal(err.status, status);
	assert_string_equal(err.field, "");
	if (strstr(err.detail, words) == NULL)
		fail_msg("no \"%s\" in: %s", words, err.detail);
	assert_int_equal(loss_arena_failure(arena, NULL), status);
}
