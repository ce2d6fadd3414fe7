/* The name of the instruction set whose kernels run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "loss.h"

static void the_isa_is_a_known_one(void **state)
{
	(void)state;
	assert_string_equal(loss_isa(), "base");
	assert_ptr_equal(loss_isa(), loss_isa());
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(the_isa_is_a_known_one)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
