/*
 * The cases of tests/fixtures/pytorch: requests and what PyTorch says to them. How they are made
 * and what the values mean is in tests/fixtures/make_pytorch.py.
 */
#ifndef TESTS_FIXTURE_H
#define TESTS_FIXTURE_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

/* Every file of the folder, without ".json"; a test holds the list and the folder against each
 * other. */
#define FIXTURE_FILES(X)                                                                           \
	X(binary_cross_entropy)                                                                    \
	X(binary_cross_entropy_with_logits)                                                        \
	X(brier_score)                                                                             \
	X(calibration)                                                                             \
	X(cross_entropy_arguments)                                                                 \
	X(cross_entropy_c)                                                                         \
	X(cross_entropy_class_last)                                                                \
	X(cross_entropy_gamma)                                                                     \
	X(cross_entropy_language_model)                                                            \
	X(cross_entropy_nc)                                                                        \
	X(cross_entropy_nc1)                                                                       \
	X(cross_entropy_nc2)                                                                       \
	X(cross_entropy_nc3)                                                                       \
	X(cross_entropy_nc6)                                                                       \
	X(cross_entropy_probabilities)                                                             \
	X(divergence)                                                                              \
	X(divergence_listed)                                                                       \
	X(gaussian_nll_loss)                                                                       \
	X(huber_loss)                                                                              \
	X(index_dtypes)                                                                            \
	X(kl_div)                                                                                  \
	X(l1_loss)                                                                                 \
	X(legacy_arguments)                                                                        \
	X(log_softmax)                                                                             \
	X(logit_scale)                                                                             \
	X(loss_quantiles)                                                                          \
	X(mask)                                                                                    \
	X(mask_elements)                                                                           \
	X(mse_loss)                                                                                \
	X(multi_margin_loss)                                                                       \
	X(multilabel_soft_margin_loss)                                                             \
	X(narrow_dtypes)                                                                           \
	X(nll_loss)                                                                                \
	X(odd)                                                                                     \
	X(outputs)                                                                                 \
	X(poisson_nll_loss)                                                                        \
	X(policy_gradient)                                                                         \
	X(quantile_loss)                                                                           \
	X(row_weight)                                                                              \
	X(sigmoid_focal_loss)                                                                      \
	X(smooth_l1_loss)                                                                          \
	X(softmax)

#define FIXTURE_MAX_RANK 8

struct fixture {
	const char *file; /* for messages */
	const char *name;
	const char *loss;
	const char *request; /* the body, byte for byte */
	const cJSON *expect; /* {output: {"shape": [..], "data": [..]}}, in no order that counts */
	const cJSON *totals; /* NULL where the loss has none */
	bool warns;
	double rtol, atol;
};

/* One output as the test got it. */
struct fixture_output {
	const char *name;
	int rank;
	size_t shape[FIXTURE_MAX_RANK];
	size_t count;
	const double *values;
};

struct fixture_totals {
	double loss_sum, denominator, rows, counted, ignored;
};

/* Evaluates one case and reports what it finds wrong with fixture_complain: true when all was well.
 */
typedef bool fixture_check(const struct fixture *fixture, void *context);

/* Runs all cases of a file, then fails the test if one was wrong. A file without cases is wrong
 * too. */
void fixture_run(const char *file, fixture_check *check, void *context);

/* Prints "file: case: ..." and returns false. */
__attribute__((format(printf, 2, 3))) bool fixture_complain(const struct fixture *fixture,
							    const char *format, ...);

/* The comparisons: shape and every value within the case's tolerance; both values are printed where
 * they differ. */
bool fixture_output_agrees(const struct fixture *fixture, const struct fixture_output *got);
bool fixture_totals_agree(const struct fixture *fixture, const struct fixture_totals *got);
/* Equal, both NaN, or |got - want| <= rtol * |want| + atol. */
bool fixture_close(double got, double want, double rtol, double atol);

/* The i-th expected output's name; NULL past the last one. */
const char *fixture_expected(const struct fixture *fixture, size_t i);

/* A whole text file, terminated, for the caller to free; fails the test when it can not be read. */
char *fixture_read_file(const char *path, size_t *size);

#endif
