/* One logit, by the operations that the vector kernels have for many. */
#include "../transform.h"
#include "functions.h"

double transform_logit(const struct logits_transform *transform, double x)
{
	if (transform->extreme)
		return transform_exactly(transform, x);
	if (transform->softcap > 0.0 && transform->wide)
		return wd_softcap_wide(wd_set(x), &transform->wide_cap).value[0];
	if (transform->softcap > 0.0)
		return (double)(float)wd_softcap(wd_set(x), &transform->cap).value[0];
	if (transform->wide)
		return fma(x, transform->wide_inverse, x * transform->wide_inverse_low);
	float narrow = (float)x;
	return (double)fmaf(narrow, transform->inverse, narrow * transform->inverse_low);
}
