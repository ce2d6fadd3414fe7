/* Finding names in the tables, exactly and nearly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "../support/random.h"
#include "names.h"

static const struct loss_info *loss_of(const char *name)
{
	return loss_find(name, strlen(name));
}

static void distances(void **state)
{
	(void)state;
	static const struct {
		const char *a, *b;
		size_t distance;
	} rows[] = {
		{"", "", 0},
		{"", "abc", 3},
		{"abc", "", 3},
		{"abc", "abc", 0},
		{"abc", "abd", 1},
		{"abc", "abcd", 1},
		{"abcd", "bcd", 1},
		{"acb", "abc", 2},
		{"kitten", "sitting", 3},
		{"flaw", "lawn", 2},
		{"intention", "execution", 5},
		{"logits", "Logits", 1},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *a = rows[i].a, *b = rows[i].b;
		assert_int_equal(names_distance(a, strlen(a), b), rows[i].distance);
		assert_int_equal(names_distance(b, strlen(b), a), rows[i].distance);
	}
	/* Only n bytes of the first name count; it is not terminated. */
	assert_int_equal(names_distance("weights", 6, "weight"), 0);
}

static void only_the_beginning_of_long_names_counts(void **state)
{
	(void)state;
	char a[200], b[200];
	memset(a, 'a', sizeof(a));
	memset(b, 'a', sizeof(b));
	b[sizeof(b) - 1] = '\0';
	b[40] = 'b';
	assert_int_equal(names_distance(a, sizeof(a), b), 0);
	b[39] = 'b';
	assert_int_equal(names_distance(a, sizeof(a), b), 1);
	assert_int_equal(names_distance(a, sizeof(a), ""), 40);
	assert_int_equal(names_distance(a, 0, b), 40);
}

static size_t random_name(struct random *random, char *name)
{
	size_t n = random_below(random, 12);
	for (size_t i = 0; i < n; i++)
		name[i] = (char)('a' + random_below(random, 3));
	name[n] = '\0';
	return n;
}

static void a_distance_is_a_metric(void **state)
{
	(void)state;
	struct random random = random_start(0x3a3e5);
	for (int i = 0; i < 3000; i++) {
		char a[16], b[16], c[16];
		size_t na = random_name(&random, a), nb = random_name(&random, b);
		random_name(&random, c);
		size_t ab = names_distance(a, na, b);
		size_t longer = na > nb ? na : nb, shorter = na + nb - longer;
		require(ab == names_distance(b, nb, a), "%s %s: not symmetric", a, b);
		require((ab == 0) == (strcmp(a, b) == 0), "%s %s: %zu", a, b, ab);
		require(ab >= longer - shorter && ab <= longer, "%s %s: %zu", a, b, ab);
		require(names_distance(a, na, c) <= ab + names_distance(b, nb, c),
			"%s %s %s: longer than the way round", a, b, c);
	}
}

static void the_nearest_loss(void **state)
{
	(void)state;
	static const struct {
		const char *name, *nearest;
	} rows[] = {
		{"crossentropy", "cross_entropy"},
		{"cross-entropy", "cross_entropy"},
		{"CROSS_entropy", "cross_entropy"},
		{"nll", "nll_loss"},
		{"entropy", "cross_entropy"},
		{"entropy_with_logits", "binary_cross_entropy_with_logits"},
		{"softmx", "softmax"},
		{"logsoftmax", "log_softmax"},
		{"binary_cross_entropy_with_logit", "binary_cross_entropy_with_logits"},
		{"", "kl_div"},
		{"kldiv", "kl_div"},
		{"sigmoid_focal", "sigmoid_focal_loss"},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_string_equal(loss_nearest(rows[i].name, strlen(rows[i].name)),
				    rows[i].nearest);
	for (size_t i = 0; loss_at(i); i++)
		assert_string_equal(loss_nearest(loss_at(i)->name, strlen(loss_at(i)->name)),
				    loss_at(i)->name);
	assert_string_equal(loss_nearest("softmaxXXXX", 7), "softmax");
}

static void the_nearest_field(void **state)
{
	(void)state;
	static const struct {
		const char *loss, *name, *nearest;
	} rows[] = {
		{"cross_entropy", "logit", "logits"},
		{"cross_entropy", "target", "targets"},
		{"cross_entropy", "labels_smoothing", "label_smoothing"},
		{"cross_entropy", "output", "outputs"},
		{"cross_entropy", "ignoreindex", "ignore_index"},
		{"cross_entropy", "grad_outputs", "grad_output"},
		{"nll_loss", "logprobs", "log_probs"},
		/* what another loss calls the same */
		{"nll_loss", "logits", "log_probs"},
		{"cross_entropy", "log_probs", "logits"},
		{"log_softmax", "log_probs", "logits"},
		{"softmax", "pos_weight", "logits"}, /* it has none */
		/* a part left out */
		{"cross_entropy", "ignore", "ignore_index"},
		{"cross_entropy", "axis", "class_axis"},
		{"cross_entropy", "smoothing", "label_smoothing"},
		{"cross_entropy", "weights", "weight"},
		{"softmax", "weights", "logits"},
		{"binary_cross_entropy_with_logits", "posweight", "pos_weight"},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_string_equal(loss_nearest_field(loss_of(rows[i].loss), rows[i].name,
						       strlen(rows[i].name)),
				    rows[i].nearest);
	assert_non_null(loss_nearest_field(loss_of("softmax"), "", 0));
}

static void the_nearest_output(void **state)
{
	(void)state;
	const struct loss_info *loss = loss_of("cross_entropy");
	assert_string_equal(names_nearest_output(loss, "gradient"), "grad");
	assert_string_equal(names_nearest_output(loss, "logprobs"), "log_probs");
	assert_string_equal(names_nearest_output(loss, "prediction"), "predicted");
	assert_string_equal(names_nearest_output(loss_of("softmax"), "loss"), "lse");
	assert_string_equal(names_nearest_output(loss_of("nll_loss"), "probs"), "loss");
	assert_non_null(names_nearest_output(loss, ""));
	/* The first of equally near ones: probs, grad and lse are 3 away. */
	assert_string_equal(names_nearest_output(loss_of("softmax"), "pr"), "probs");
}

static void equality_is_of_all_bytes(void **state)
{
	(void)state;
	assert_true(names_equal("loss", "loss", 4));
	assert_true(names_equal("loss", "losses", 4));
	assert_true(names_equal("", "x", 0));
	assert_false(names_equal("loss", "los", 3));
	assert_false(names_equal("loss", "loss", 5)); /* a NUL inside a name is a byte of it */
	assert_false(names_equal("loss", "Loss", 4));
	assert_false(names_equal("loss", "", 0));
}

static void every_field_is_found_at_its_place(void **state)
{
	(void)state;
	for (size_t l = 0; loss_at(l); l++) {
		const struct loss_info *loss = loss_at(l);
		for (size_t i = 0; i < loss->n_tensors; i++) {
			const char *name = loss->tensors[i].name;
			assert_int_equal(loss_find_tensor(loss, name, strlen(name)), i);
			assert_int_equal(loss_find_tensor(loss, name, strlen(name) - 1), -1);
			assert_int_equal(loss_find_argument(loss, name, strlen(name)), -1);
			assert_string_equal(loss_nearest_field(loss, name, strlen(name)), name);
		}
		for (size_t i = 0; i < loss->n_arguments; i++) {
			const char *name = loss->arguments[i]->name;
			assert_int_equal(loss_find_argument(loss, name, strlen(name)), i);
			assert_int_equal(loss_find_argument(loss, name, strlen(name) + 1), -1);
			assert_int_equal(loss_find_tensor(loss, name, strlen(name)), -1);
			assert_string_equal(loss_nearest_field(loss, name, strlen(name)), name);
		}
		for (size_t i = 0; i < loss->n_outputs; i++)
			assert_string_equal(names_nearest_output(loss, loss->outputs[i]->name),
					    loss->outputs[i]->name);
		assert_int_equal(loss_find_tensor(loss, "", 0), -1);
		assert_int_equal(loss_find_argument(loss, "", 0), -1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(distances),
		cmocka_unit_test(only_the_beginning_of_long_names_counts),
		cmocka_unit_test(a_distance_is_a_metric),
		cmocka_unit_test(the_nearest_loss),
		cmocka_unit_test(the_nearest_field),
		cmocka_unit_test(the_nearest_output),
		cmocka_unit_test(equality_is_of_all_bytes),
		cmocka_unit_test(every_field_is_found_at_its_place),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
