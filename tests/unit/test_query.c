/* Query strings of evaluations. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../server/codec/query.h"
#include "../../src/problem.h"
#include "../support/decoded.h"
#include "status/status.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void test_accepted(void **state)
{
	(void)state;
	static const struct {
		const char *query, *text;
	} cases[] = {
		{"", ""},
		{"reduction=sum&ignore_index=-1&label_smoothing=1e-1",
		 "ignore_index -1\nreduction \"sum\"\nlabel_smoothing 1e-1\n"},
		{"red%75ction=s%55m", "reduction \"sUm\"\n"},
		{"reduction=a+b%2Bc%20d%26e%3D", "reduction \"a b+c d&e=\"\n"},
		{"reduction=a=b", "reduction \"a=b\"\n"},
		{"reduction", "reduction \"\"\n"},
		{"reduction=", "reduction \"\"\n"},
		{"outputs=loss,grad", "outputs loss grad\n"},
		{"outputs=loss%2cgrad", "outputs loss grad\n"},
		{"outputs=loss&reduce=1&outputs=grad,lse", "reduce 1\noutputs loss grad lse\n"},
		{"outputs=", "outputs\n"},
		{"outputs", "outputs\n"},
		{"outputs=x", "outputs x\n"},
		{"outputs=x,y", "outputs x y\n"},
		{"outputs=loss,", "outputs loss \n"},
		{"outputs=,loss", "outputs  loss\n"},
		{"denominator=Infinity&label_smoothing=NaN",
		 "label_smoothing NaN\ndenominator Infinity\n"},
	};
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_decodes(&(struct decode_options){.query = cases[i].query}, "{}",
			       cases[i].text);
}

static void check_refused(const char *query, loss_status status, const char *field,
			  const char *detail)
{
	struct loss_error err = {0};
	struct loss_arena *arena = loss_arena_create(NULL);
	struct loss_problem *problem = loss_problem_create(loss_find("cross_entropy", 13), arena);
	struct query_wish wish;
	loss_status got = query_apply(query, strlen(query), problem, arena, &wish, &err);
	if (strcmp(err.detail, detail) != 0)
		print_error("%s\n", query);
	assert_string_equal(err.detail, detail);
	assert_string_equal(err.field, field);
	assert_int_equal(got, status);
	assert_int_equal(err.status, status);
	assert_false(err.has_index);
	loss_arena_destroy(arena);
}

#define BAD_ESCAPE(text)                                                                           \
	"the query string has \"" text "\", but % must be followed by the two hexadecimal digits " \
	"of a byte other than 0"
#define NO_NAME "the query string has a part without a name: write name=value, with & between parts"

static void test_refused(void **state)
{
	(void)state;
	static const struct {
		const char *query;
		loss_status status;
		const char *field, *detail;
	} cases[] = {
		{"reduction=%", STATUS_INVALID_QUERY, "", BAD_ESCAPE("%")},
		{"reduction=%4", STATUS_INVALID_QUERY, "", BAD_ESCAPE("%4")},
		{"reduction=%4g", STATUS_INVALID_QUERY, "", BAD_ESCAPE("%4g")},
		{"reduction=%g4", STATUS_INVALID_QUERY, "", BAD_ESCAPE("%g4")},
		{"reduction=mean%00x", STATUS_INVALID_QUERY, "", BAD_ESCAPE("%00")},
		{"reduc%00tion=mean", STATUS_INVALID_QUERY, "", BAD_ESCAPE("%00")},
		{"reduction=%4&reduce=1", STATUS_INVALID_QUERY, "", BAD_ESCAPE("%4")},
		{"outputs=loss,%zz", STATUS_INVALID_QUERY, "", BAD_ESCAPE("%zz")},
		{"=1", STATUS_INVALID_QUERY, "", NO_NAME},
		{"reduce=1&&reduction=sum", STATUS_INVALID_QUERY, "", NO_NAME},
		{"reduce=1&", STATUS_INVALID_QUERY, "", NO_NAME},
		{"&", STATUS_INVALID_QUERY, "", NO_NAME},
		{"reducton=sum", LOSS_UNKNOWN_FIELD, "reducton",
		 "cross_entropy has no argument \"reducton\"; the nearest is \"reduction\""},
		{"Reduction=sum", LOSS_UNKNOWN_FIELD, "Reduction",
		 "cross_entropy has no argument \"Reduction\"; the nearest is \"reduction\""},
		{"logits=1", LOSS_UNKNOWN_FIELD, "logits",
		 "cross_entropy has no argument \"logits\"; it is a tensor: give it in the body"},
		{"reduction=sum&reduction=sum", LOSS_DUPLICATE_FIELD, "reduction",
		 "reduction is given twice; give it once"},
		{"reduce=yes", LOSS_WRONG_TYPE, "reduce",
		 "reduce is \"yes\", but must be true or false"},
		{"reduce=TRUE", LOSS_WRONG_TYPE, "reduce",
		 "reduce is \"TRUE\", but must be true or false"},
		{"ignore_index=1.0", LOSS_WRONG_TYPE, "ignore_index",
		 "ignore_index is 1.0, but must be an integer, without fraction or exponent"},
		{"ignore_index=01", LOSS_WRONG_TYPE, "ignore_index",
		 "ignore_index is \"01\", but must be an integer, without fraction or exponent"},
		{"ignore_index=", LOSS_WRONG_TYPE, "ignore_index",
		 "ignore_index is \"\", but must be an integer, without fraction or exponent"},
		{"label_smoothing=0.1x", LOSS_WRONG_TYPE, "label_smoothing",
		 "label_smoothing is \"0.1x\", but must be a number"},
		{"label_smoothing=nan", LOSS_WRONG_TYPE, "label_smoothing",
		 "label_smoothing is \"nan\", but must be a number"},
		{"label_smoothing=-NaN", LOSS_WRONG_TYPE, "label_smoothing",
		 "label_smoothing is \"-NaN\", but must be a number"},
		{"compress=maybe", LOSS_WRONG_TYPE, "compress",
		 "compress is \"maybe\", but must be true or false"},
		{"compress=TRUE", LOSS_WRONG_TYPE, "compress",
		 "compress is \"TRUE\", but must be true or false"},
		{"compress", LOSS_WRONG_TYPE, "compress",
		 "compress is \"\", but must be true or false"},
		{"compress=1&compress=1", LOSS_DUPLICATE_FIELD, "compress",
		 "compress is given twice; give it once"},
		{"compress=maybe&compress=1", LOSS_DUPLICATE_FIELD, "compress",
		 "compress is given twice; give it once"},
		{"compress=%zz", STATUS_INVALID_QUERY, "", BAD_ESCAPE("%zz")},
		/* several: the lowest status, then the first */
		{"reduce=yes&reduction=a&reduction=b&nope=1&nope2=2", LOSS_UNKNOWN_FIELD, "nope",
		 "cross_entropy has no argument \"nope\"; there are size_average, ignore_index, "
		 "reduce, reduction, label_smoothing, denominator, empty_mean, totals, class_axis, "
		 "grad_dtype, softcap, temperature, z_loss, shift, logit_scale, gamma, k, "
		 "ece_bins, ece_norm, n_groups, outputs, compress, non_finite and tensors"},
		{"reducton=1&a=%", STATUS_INVALID_QUERY, "", BAD_ESCAPE("%")},
	};
	for (size_t i = 0; i < COUNT(cases); i++)
		check_refused(cases[i].query, cases[i].status, cases[i].field, cases[i].detail);
}

/* What the text says, and as what. */
static void test_values(void **state)
{
	(void)state;
	static const struct {
		const char *query;
		enum argument argument;
		struct loss_value value;
	} cases[] = {
		{"reduce=true", ARGUMENT_REDUCE, {.type = LOSS_VALUE_BOOLEAN, .boolean = true}},
		{"reduce=True", ARGUMENT_REDUCE, {.type = LOSS_VALUE_BOOLEAN, .boolean = true}},
		{"reduce=1", ARGUMENT_REDUCE, {.type = LOSS_VALUE_BOOLEAN, .boolean = true}},
		{"reduce=false", ARGUMENT_REDUCE, {.type = LOSS_VALUE_BOOLEAN}},
		{"reduce=False", ARGUMENT_REDUCE, {.type = LOSS_VALUE_BOOLEAN}},
		{"reduce=0", ARGUMENT_REDUCE, {.type = LOSS_VALUE_BOOLEAN}},
		{"ignore_index=-9223372036854775808",
		 ARGUMENT_IGNORE_INDEX,
		 {.type = LOSS_VALUE_INTEGER, .integer = INT64_MIN, .number = -0x1p63}},
		{"ignore_index=9223372036854775808",
		 ARGUMENT_IGNORE_INDEX,
		 {.type = LOSS_VALUE_INTEGER, .integer_overflow = true, .number = 0x1p63}},
		{"label_smoothing=1",
		 ARGUMENT_LABEL_SMOOTHING,
		 {.type = LOSS_VALUE_INTEGER, .integer = 1, .number = 1.0}},
		{"label_smoothing=0.25",
		 ARGUMENT_LABEL_SMOOTHING,
		 {.type = LOSS_VALUE_NUMBER, .number = 0.25}},
		{"denominator=-Infinity",
		 ARGUMENT_DENOMINATOR,
		 {.type = LOSS_VALUE_NUMBER, .number = -HUGE_VAL}},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct loss_error err = {0};
		struct loss_arena *arena = loss_arena_create(NULL);
		struct loss_problem *problem =
			loss_problem_create(loss_find("cross_entropy", 13), arena);
		struct query_wish wish;
		assert_int_equal(query_apply(cases[i].query, strlen(cases[i].query), problem, arena,
					     &wish, &err),
				 LOSS_OK);
		assert_false(wish.compress);
		const struct loss_value *got = &problem->values[cases[i].argument];
		assert_int_equal(got->type, cases[i].value.type);
		assert_int_equal(got->boolean, cases[i].value.boolean);
		assert_int_equal(got->integer_overflow, cases[i].value.integer_overflow);
		assert_true(got->integer == cases[i].value.integer);
		assert_true(got->number == cases[i].value.number);
		loss_arena_destroy(arena);
	}
}

/* What is wanted of the reply is no argument of the loss. */
static void test_wishes(void **state)
{
	(void)state;
	static const struct {
		const char *query;
		bool compress;
	} cases[] = {
		{"", false},
		{"compress=true", true},
		{"compress=True", true},
		{"compress=1", true},
		{"compress=%31", true},
		{"compress=false", false},
		{"compress=False", false},
		{"compress=0", false},
		{"reduction=sum&compress=1&outputs=loss", true},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct loss_error err = {0};
		struct query_wish wish = {.compress = !cases[i].compress};
		struct loss_arena *arena = loss_arena_create(NULL);
		struct loss_problem *problem =
			loss_problem_create(loss_find("cross_entropy", 13), arena);
		assert_int_equal(query_apply(cases[i].query, strlen(cases[i].query), problem, arena,
					     &wish, &err),
				 LOSS_OK);
		assert_int_equal(wish.compress, cases[i].compress);
		loss_arena_destroy(arena);
	}
	assert_decodes(&(struct decode_options){.query = "compress=1&reduction=sum"}, "{}",
		       "reduction \"sum\"\n");
}

/* Values longer than what is kept are refused, never cut to something that is right. */
static void test_long_texts(void **state)
{
	(void)state;
	char query[5000];
	struct loss_error err = {0};
	struct query_wish wish;
	struct loss_arena *arena = loss_arena_create(NULL);
	struct loss_problem *problem = loss_problem_create(loss_find("cross_entropy", 13), arena);
	snprintf(query, sizeof query, "label_smoothing=0.%04000d1", 0);
	assert_int_equal(query_apply(query, strlen(query), problem, arena, &wish, &err),
			 LOSS_WRONG_TYPE);
	snprintf(query, sizeof query, "%04000d=1", 0);
	assert_int_equal(query_apply(query, strlen(query), problem, arena, &wish, &err),
			 LOSS_UNKNOWN_FIELD);
	loss_arena_destroy(arena);
}

/* The loss finds the first output that is wrong even among far more than there are. */
static void test_many_outputs(void **state)
{
	(void)state;
	char query[4000] = "outputs=loss", body[] = "{\"logits\":[1],\"targets\":0}";
	for (int i = 0; i < 300; i++)
		strcat(query, i % 2 ? "&outputs=grad" : ",lse");
	assert_refused(&(struct decode_options){.query = query, .plan = 1}, body,
		       LOSS_ARGUMENT_OUT_OF_RANGE, "/outputs/3",
		       "outputs[3] is \"lse\", which is asked for twice");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accepted), cmocka_unit_test(test_refused),
		cmocka_unit_test(test_values),   cmocka_unit_test(test_long_texts),
		cmocka_unit_test(test_wishes),   cmocka_unit_test(test_many_outputs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
