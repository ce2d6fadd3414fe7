/* The same bits from the kernels of every instruction set that the machine has: all outputs of all
 * losses, over shapes, layouts, dtypes and rows made to be difficult. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "../support/cases.h"
#include "../support/random.h"

#define MAX_ISAS 8
#define N_CASES 1500

static const char *isas[MAX_ISAS];
static size_t n_isas;

static int find_isas(void **state)
{
	(void)state;
	for (size_t i = 0; loss_isa_at(i) != NULL && n_isas < MAX_ISAS; i++)
		if (loss_isa_find(loss_isa_at(i)) != NULL)
			isas[n_isas++] = loss_isa_find(loss_isa_at(i));
	return 0;
}

static void require_same(uint64_t number, const char *isa, const struct case_outcome *best,
			 const struct case_outcome *other)
{
	require(best->status == other->status && best->n_parts == other->n_parts,
		"case %llu (%s): %s and %s do not even agree about it", (unsigned long long)number,
		best->what, isas[0], isa);
	for (size_t i = 0; i < best->n_parts; i++)
		require(best->hashes[i] == other->hashes[i],
			"case %llu (%s): %s is not the same bits on %s and %s",
			(unsigned long long)number, best->what, best->names[i], isas[0], isa);
}

static void every_isa_gives_the_same_bits(void **state)
{
	(void)state;
	if (n_isas < 2) {
		print_message("# there is only %s here\n", isas[0]);
		skip();
	}
	uint64_t seed = random_start(0).seed;
	size_t n = random_cases(N_CASES), refused = 0;
	for (uint64_t number = seed; number < seed + n; number++) {
		struct case_outcome best, other;
		case_evaluate(number, isas[0], &best);
		refused += best.status != LOSS_OK;
		for (size_t i = 1; i < n_isas; i++) {
			case_evaluate(number, isas[i], &other);
			require_same(number, isas[i], &best, &other);
		}
	}
	require(refused == 0, "%zu of %zu cases were refused: they test nothing", refused, n);
}

/* The hashes see every output: cases differ from one another in each of them. */
static void cases_differ(void **state)
{
	(void)state;
	size_t same = 0, parts = 0;
	for (uint64_t number = 0; number < 200; number++) {
		struct case_outcome one, other;
		case_evaluate(number, isas[0], &one);
		case_evaluate(number + 1000, isas[0], &other);
		for (size_t i = 0; i < one.n_parts && i < other.n_parts; i++, parts++)
			same += one.hashes[i] == other.hashes[i];
	}
	assert_true(parts > 300);
	require(same * 10 < parts, "%zu of %zu hashes are the same in different cases", same,
		parts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_isa_gives_the_same_bits),
		cmocka_unit_test(cases_differ),
	};
	return cmocka_run_group_tests(tests, find_isas, NULL);
}
