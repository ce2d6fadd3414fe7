/*
 * The body of every vector kernel build. Parameters, from lanes.h: NATIVE, the floats of a native
 * vector; ISA(name), the name's suffix. Included once a build; what is about logits is included
 * twice, for floats and for doubles (floats.h, wides.h).
 */
#include <math.h>

#include "../transform.h"
#include "half.h"
#include "numbers.h"
#include "vector.h"

static void ISA(load)(loss_dtype dtype, const void *from, float *to, size_t n)
{
	size_t i = 0;
	for (; dtype == LOSS_BF16 && i + NATIVE <= n; i += NATIVE)
		vf_store(to + i, vf_load_as(LOSS_BF16, from, i));
	for (; dtype == LOSS_F16 && i + NATIVE <= n; i += NATIVE)
		vf_store(to + i, vf_load_as(LOSS_F16, from, i));
	half_to_float(dtype, (const unsigned char *)from + i * half_bytes(dtype), to + i, n - i);
}

/* n floats, rounded to codes of a type. */
static void narrow_floats(loss_dtype dtype, const float *from, void *to, size_t n)
{
	size_t i = 0;
	for (; dtype == LOSS_BF16 && i + NATIVE <= n; i += NATIVE)
		vf_store_as(LOSS_BF16, to, i, vf_load(from + i));
	for (; dtype == LOSS_F16 && i + NATIVE <= n; i += NATIVE)
		vf_store_as(LOSS_F16, to, i, vf_load(from + i));
	half_from_float(dtype, from + i, (unsigned char *)to + i * half_bytes(dtype), n - i);
}

/* In this order: later ones use the earlier. */
#include "targets_template.h"

#include "operands_template.h"

#include "add_template.h"
#include "finish_template.h"

#include "brier_template.h"

/* NOLINTBEGIN(readability-duplicate-include) */
#include "floats.h"

#include "sums_template.h"

#include "lane_state_template.h"

#include "operations_template.h"

#include "tiles_template.h"

#include "divergence_template.h"

#include "twins_template.h"

#include "policy_template.h"

#include "table_template.h"

#include "wides.h"

#include "sums_template.h"

#include "lane_state_template.h"

#include "operations_template.h"

#include "tiles_template.h"

#include "divergence_template.h"

#include "policy_template.h"

#include "table_template.h"
/* NOLINTEND(readability-duplicate-include) */

#include "element_template.h"

#include "focal_template.h"

const struct vector_kernels ISA(vector_kernels) = {
	.isa = ISA_NAME,
	.floats = &kernels_of_floats,
	.doubles = &kernels_of_doubles,
	.targets = TARGET_READERS,
	.add_up = ISA(add_up),
	.losses = ISA(losses),
	.smooth_losses = ISA(smooth_losses),
	.focal = ISA(focal),
	.twins_add = twins_add,
	.twins_write = twins_write,
	.widen = ISA(widen),
	.scale = ISA(scale),
	.exponentials = ISA(exponentials),
	.elements =
		{
			[ELEMENT_BCE_WITH_LOGITS] = ISA(elements_bce_with_logits),
			[ELEMENT_BCE] = ISA(elements_bce),
			[ELEMENT_KL_DIV] = ISA(elements_kl_div),
			[ELEMENT_KL_DIV_OF_LOGS] = ISA(elements_kl_div_of_logs),
			[ELEMENT_FOCAL] = ISA(elements_focal),
			[ELEMENT_FOCAL_INTEGER] = ISA(elements_focal_integer),
			[ELEMENT_MSE] = ISA(elements_mse),
			[ELEMENT_L1] = ISA(elements_l1),
			[ELEMENT_SMOOTH_L1] = ISA(elements_smooth_l1),
			[ELEMENT_HUBER] = ISA(elements_huber),
			[ELEMENT_POISSON] = ISA(elements_poisson),
			[ELEMENT_POISSON_OF_LOGS] = ISA(elements_poisson_of_logs),
			[ELEMENT_GAUSSIAN] = ISA(elements_gaussian),
			[ELEMENT_QUANTILE] = ISA(elements_quantile),
		},
};
