/* Finding names in the tables, and what is said of those that are not there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "../support/random.h"
#include "aliases.h"
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
		{"logits", "Logits", 0}, /* of either case, and with other separators */
		{"grad-output", "grad_output", 0},
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

/* ---------------------------------------------------------------- hints */

static void check_hint(const struct loss_place *place, const char *name, const char *wanted)
{
	char hint[LOSS_HINT_CHARS];
	loss_hint_name(place, name, strlen(name), hint, sizeof(hint));
	if (strcmp(hint, wanted) != 0)
		fail_msg("%s: \"%s\", not \"%s\"", name, hint, wanted);
}

/* A place of a loss for what is of these kinds. */
static struct loss_place place_of(const char *loss, unsigned kinds)
{
	return (struct loss_place){
		.loss = loss_of(loss),
		.kinds = kinds,
		.to_tensors = "to the tensors",
		.to_arguments = "to the arguments",
		.to_outputs = "to the outputs",
	};
}

#define FIELDS (LOSS_NAME_TENSOR | LOSS_NAME_ARGUMENT)
#define TARGETS                                                                                    \
	"use \"targets\": class indices (integers), or a probability for each class (floats)"
#define ROW_WEIGHT                                                                                 \
	"use \"row_weight\": a factor for each row, in its loss, its gradient and the denominator"
#define SMOOTHING "use \"label_smoothing\": the share of the target that is spread over all classes"
#define OF_SOFTMAX "there are logits, grad_output, class_axis and grad_dtype"
#define OF_KL_DIV                                                                                  \
	"there are log_probs, targets, mask, grad_output, size_average, reduce, reduction, "       \
	"log_target, denominator, empty_mean, totals and grad_dtype"
#define TENSORS_OF_BCE "there are logits, targets, weight, pos_weight, mask and grad_output"

static void hints_by_name(void **state)
{
	(void)state;
	static const struct {
		const char *loss;
		unsigned kinds;
		const char *name, *hint;
	} rows[] = {
		/* what others call so */
		{"cross_entropy", FIELDS, "labels", TARGETS},
		{"cross_entropy", LOSS_NAME_TENSOR, "yTrue", TARGETS},
		{"cross_entropy", FIELDS, "Y", TARGETS},
		{"cross_entropy", FIELDS, "sample-weight", ROW_WEIGHT},
		{"cross_entropy", FIELDS, "class_weights",
		 "use \"weight\": a factor for each class"},
		{"cross_entropy", FIELDS, "eps", SMOOTHING},
		{"nll_loss", FIELDS, "labels", "use \"targets\": class indices"},
		{"nll_loss", FIELDS, "input",
		 "use \"log_probs\": logarithms of probabilities, as log_softmax gives them"},
		/* and other losses */
		{"nll_loss", FIELDS, "logits",
		 "use \"log_probs\": logarithms of probabilities, as log_softmax gives them"},
		{"cross_entropy", FIELDS, "log_probs", "it is an output: to the outputs"},
		{"cross_entropy", LOSS_NAME_TENSOR, "probs", "it is an output: to the outputs"},
		/* one name of several things */
		{"cross_entropy", LOSS_NAME_OUTPUT, "predictions",
		 "use \"predicted\": the class of the largest logit, the lowest index of equal "
		 "ones"},
		{"cross_entropy", LOSS_NAME_TENSOR, "predictions",
		 "use \"logits\": unnormalised scores"},
		{"cross_entropy", LOSS_NAME_ARGUMENT, "predictions",
		 "it is called \"logits\", a tensor: to the tensors"},
		{"cross_entropy", LOSS_NAME_ARGUMENT, "top_k",
		 "use \"k\": how many classes topk_accuracy looks at, at most all of them"},
		{"cross_entropy", LOSS_NAME_TENSOR, "top_k",
		 "it is called \"k\", an argument: to the arguments"},
		/* what the loss has not is not offered, nor what only looks like it */
		{"softmax", FIELDS, "labels", OF_SOFTMAX},
		{"softmax", FIELDS, "sample_weight", OF_SOFTMAX},
		{"kl_div", FIELDS, "eps", OF_KL_DIV},
		{"kl_div", FIELDS, "weight", OF_KL_DIV},
		{"binary_cross_entropy_with_logits", LOSS_NAME_TENSOR, "sample_weight",
		 TENSORS_OF_BCE},
		{"binary_cross_entropy_with_logits", LOSS_NAME_TENSOR, "class_weight",
		 TENSORS_OF_BCE},
		{"cross_entropy", LOSS_NAME_TENSOR, "pos_weight",
		 "there are logits, targets, weight, row_weight, mask, groups, bytes and "
		 "grad_output"},
		{"softmax", FIELDS, "num_classes",
		 "the shapes of the tensors tell it: leave it out"},
		/* what stands elsewhere */
		{"cross_entropy", LOSS_NAME_ARGUMENT, "logits", "it is a tensor: to the tensors"},
		{"cross_entropy", LOSS_NAME_TENSOR, "reduction",
		 "it is an argument: to the arguments"},
		{"cross_entropy", FIELDS, "grad", "it is an output: to the outputs"},
		{"cross_entropy", FIELDS, "gradient",
		 "it is called \"grad\", an output: to the outputs"},
		/* the nearest, within a third of the name */
		{"cross_entropy", FIELDS, "Reduction", "the nearest is \"reduction\""},
		{"cross_entropy", FIELDS, "ignoreIndex", "the nearest is \"ignore_index\""},
		{"cross_entropy", FIELDS, "K", "the nearest is \"k\""},
		{"softmax", FIELDS, "lo", OF_SOFTMAX},
		{"softmax", FIELDS, "logit_s", "the nearest is \"logits\""},
		{"softmax", FIELDS, "lxgxts", "the nearest is \"logits\""},
		{"softmax", FIELDS, "lxgxt", OF_SOFTMAX},
		{"softmax", FIELDS, "xxgits", "the nearest is \"logits\""},
		{"softmax", FIELDS, "xxgixs", OF_SOFTMAX},
		{"softmax", FIELDS, "", OF_SOFTMAX},
		{"softmax", FIELDS, "class_axisxxxx", "the nearest is \"class_axis\""},
		{"softmax", FIELDS, "class_axisxxxxx", "the nearest is \"class_axis\""},
		{"softmax", FIELDS, "class_axisxxxxxx", OF_SOFTMAX},
		{"softmax", FIELDS, "gradoutput_gradoutput_gradoutput_gradoutput", OF_SOFTMAX},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct loss_place place = place_of(rows[i].loss, rows[i].kinds);
		check_hint(&place, rows[i].name, rows[i].hint);
	}
}

static void hints_of_the_callers_own_names(void **state)
{
	(void)state;
	static const char *const names[] = {"outputs", "compress"};
	static const struct loss_word words[] = {{"logits", "they are elsewhere"},
						 {"timeout", "it is a header"}};
	struct loss_place place = place_of("softmax", LOSS_NAME_ARGUMENT);
	place.names = names;
	place.n_names = 2;
	place.words = words;
	place.n_words = 2;
	check_hint(&place, "compres", "the nearest is \"compress\"");
	check_hint(&place, "output", "the nearest is \"outputs\"");
	check_hint(&place, "return", "use \"outputs\"");
	check_hint(&place, "outpu", "there are class_axis, grad_dtype, outputs and compress");
	check_hint(&place, "zz", "there are class_axis, grad_dtype, outputs and compress");
	check_hint(&place, "timeout", "it is a header");
	check_hint(&place, "logits", "they are elsewhere");
	place.options = true;
	check_hint(&place, "compres", "the nearest is --compress");
	check_hint(&place, "zz", "there are --class_axis, --grad_dtype, --outputs and --compress");
	check_hint(
		&place, "axis",
		"use --class_axis: where the classes are: axis 1 (0 when unbatched), or the last");
	/* Of no loss: nothing is an alias. */
	place = (struct loss_place){.names = names, .n_names = 2};
	check_hint(&place, "return", "there are outputs and compress");
	place.n_names = 1;
	check_hint(&place, "labels", "there are outputs");
}

/* Only n bytes of a name count; the hint has an end within its size. */
static void hints_within_their_size(void **state)
{
	(void)state;
	char hint[80];
	struct loss_place place = place_of("softmax", FIELDS);
	loss_hint_name(&place, "logitXXXX", 5, hint, sizeof(hint));
	assert_string_equal(hint, "use \"logits\": unnormalised scores");
	loss_hint_name(&place, "zz", 2, hint, sizeof(hint));
	assert_string_equal(hint, OF_SOFTMAX);
	loss_hint_name(&place, "zz", 2, hint, 40);
	assert_string_equal(hint, "there are logits, grad_output and more");
	for (size_t size = 30; size < sizeof(hint); size++) {
		memset(hint, 'x', sizeof(hint));
		loss_hint_name(&place, "zz", 2, hint, size);
		assert_non_null(memchr(hint, '\0', size));
	}
}

/* Whatever the loss and the alias, something that the loss has is offered, or nothing. */
static void every_alias_is_of_what_a_loss_has(void **state)
{
	(void)state;
	for (const struct alias *alias = aliases; alias->name; alias++) {
		size_t uses = alias->of >= ALIAS_OWN;
		for (size_t l = 0; loss_at(l); l++) {
			struct loss_place place =
				place_of(loss_at(l)->name, FIELDS | LOSS_NAME_OUTPUT);
			char hint[LOSS_HINT_CHARS];
			loss_hint_name(&place, alias->name, strlen(alias->name), hint,
				       sizeof(hint));
			require(strncmp(hint, "the nearest", 11) != 0, "%s of %s: %s", alias->name,
				loss_at(l)->name, hint);
			uses += strncmp(hint, "use \"", 5) == 0;
		}
		require(uses > 0, "%s is of no loss", alias->name);
	}
}

/* "there are cross_entropy, nll_loss, ... and quantile_loss" */
static const char *list_losses(void)
{
	static char text[LOSS_HINT_CHARS];
	size_t used = (size_t)snprintf(text, sizeof text, "there are ");
	for (size_t i = 0; loss_at(i); i++) {
		const char *between = i == 0 ? "" : loss_at(i + 1) ? ", " : " and ";
		used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", between,
					 loss_at(i)->name);
	}
	assert_true(used < sizeof text);
	return text;
}

static void hints_of_losses(void **state)
{
	(void)state;
#define CALLED(name) "it is called \"" name "\" here"
#define ALL NULL
	static const struct {
		const char *name, *hint;
	} rows[] = {
		{"CrossEntropyLoss", CALLED("cross_entropy")},
		{"cross-entropy", CALLED("cross_entropy")},
		{"F.cross_entropy", CALLED("cross_entropy")},
		{"ce", CALLED("cross_entropy")},
		{"sparse_categorical_crossentropy", CALLED("cross_entropy")},
		{"SparseCategoricalCrossentropy", CALLED("cross_entropy")},
		{"BCEWithLogitsLoss", CALLED("binary_cross_entropy_with_logits")},
		{"bce", CALLED("binary_cross_entropy")},
		{"nll", CALLED("nll_loss")},
		{"torch.nn.KLDivLoss", CALLED("kl_div")},
		{"focal_loss", CALLED("sigmoid_focal_loss")},
		{"ppo", CALLED("policy_gradient")},
		{"GRPOLoss", CALLED("policy_gradient")},
		{"LogSoftmax", CALLED("log_softmax")},
		{"softmx", "the nearest is \"softmax\""},
		{"cross_entropi", "the nearest is \"cross_entropy\""},
		{"entropy", ALL},
		{"mse", CALLED("mse_loss")},
		{"L1Loss", CALLED("l1_loss")}, /* two letters from nll_loss */
		{"torch.nn.GaussianNLLLoss", CALLED("gaussian_nll_loss")},
		{"pinball_loss", CALLED("quantile_loss")},
		{"nope", ALL},
		{"", ALL},
		{"x.", ALL},
	};
	char hint[LOSS_HINT_CHARS];
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		loss_hint_loss(rows[i].name, strlen(rows[i].name), hint, sizeof(hint));
		assert_string_equal(hint, rows[i].hint ? rows[i].hint : list_losses());
	}
	loss_hint_loss("softmaxXXXX", 6, hint, sizeof(hint));
	assert_string_equal(hint, "the nearest is \"softmax\"");
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
		}
		for (size_t i = 0; i < loss->n_arguments; i++) {
			const char *name = loss->arguments[i]->name;
			assert_int_equal(loss_find_argument(loss, name, strlen(name)), i);
			assert_int_equal(loss_find_argument(loss, name, strlen(name) + 1), -1);
			assert_int_equal(loss_find_tensor(loss, name, strlen(name)), -1);
		}
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
		cmocka_unit_test(hints_by_name),
		cmocka_unit_test(hints_of_the_callers_own_names),
		cmocka_unit_test(hints_within_their_size),
		cmocka_unit_test(every_alias_is_of_what_a_loss_has),
		cmocka_unit_test(hints_of_losses),
		cmocka_unit_test(equality_is_of_all_bytes),
		cmocka_unit_test(every_field_is_found_at_its_place),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
