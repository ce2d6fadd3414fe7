/* Negative log-likelihood of given log-probabilities: one product, so little can be different here.
 */
#include "kernel/oracle.h"

long double oracle_nll_loss(long double x_y, long double w_y, bool ignored)
{
	if (ignored)
		return 0;
	return w_y == 0 && !isnan(x_y) ? 0 : -(w_y * x_y);
}

long double oracle_nll_grad(long double w_y, long double scale, bool ignored)
{
	return ignored ? 0 : -(w_y * scale);
}
