/*
 * Sums of doubles without any rounding: part of vector_template.h.
 *
 * A lane's sums are kept on grids. With M = 1.5 2^(52+e), a double near M is a multiple of 2^e;
 * adding x to it rounds x to that grid, and what that takes from x is exact again and goes to the
 * next grid, 39 places below. Of a value that the grids hold nothing is left at the end. As long as
 * values are at most 2^(38+e), as many as ADD_UP_MOST of them leave a sum below 2^(51+e): M stays
 * in its binade, and all sums of sums on a grid are exact. The first grid is chosen by the largest
 * value; which it is does not show in an exact sum.
 */

#define GRIDS ADD_UP_PARTS

/* 1.5 2^(52+e) of the first grid, where `largest` < 2^(38+e); and from one to the next. */
INLINE double first_grid(double largest)
{
	uint64_t bits;
	memcpy(&bits, &largest, sizeof bits);
	bits = (bits & 0x7ff0000000000000u) + (UINT64_C(15) << 52);
	bits |= UINT64_C(1) << 51;
	memcpy(&largest, &bits, sizeof bits);
	return largest;
}

INLINE double add_lanes(wd sums)
{
	double lanes[DOUBLES], sum = 0.0;
	wd_store(lanes, sums);
	UNROLL
	for (size_t i = 0; i < DOUBLES; i++)
		sum += lanes[i];
	return sum;
}

/* Lanes that are added together, so that none waits for itself. */
#define TOGETHER 2

/* How many grids there are is a constant where this is inlined. Whether they hold all. */
INLINE bool add_on_grids(const double *values, size_t n, size_t grids, double first, double *parts)
{
	wd sums[GRIDS], start[GRIDS];
	wu left = wu_set(0);
	for (size_t g = 0; g < grids; g++) {
		start[g] = wd_set(first);
		sums[g] = wd_set(0.0);
		first *= 0x1p-39;
	}
	for (size_t lane = 0; lane < LANES; lane += (size_t)TOGETHER * DOUBLES) {
		wd at[TOGETHER][GRIDS];
		UNROLL
		for (size_t k = 0; k < TOGETHER; k++)
			for (size_t g = 0; g < grids; g++)
				at[k][g] = start[g];
		for (size_t i = lane; i < n; i += LANES) {
			UNROLL
			for (size_t k = 0; k < TOGETHER; k++) {
				wd x = wd_load(values + i + k * DOUBLES);
				UNROLL
				for (size_t g = 0; g < grids; g++) {
					wd next = at[k][g] + x;
					x -= next - at[k][g];
					at[k][g] = next;
				}
				left |= (wu)x;
			}
		}
		UNROLL
		for (size_t k = 0; k < TOGETHER; k++)
			for (size_t g = 0; g < grids; g++)
				sums[g] += at[k][g] - start[g];
	}
	for (size_t g = 0; g < grids; g++)
		parts[g] = add_lanes(sums[g]);
	return wd_bits((wl)(left << 1) != 0) == 0;
}

INLINE double largest_of(const double *values, size_t n)
{
	wd largest = wd_set(0.0);
	double lanes[DOUBLES], most = 0.0;
	for (size_t i = 0; i < n; i += DOUBLES)
		largest = wd_max(wd_abs(wd_load(values + i)), largest); /* not NaN */
	wd_store(lanes, largest);
	for (size_t i = 0; i < DOUBLES; i++)
		most = lanes[i] > most ? lanes[i] : most;
	return most;
}

/* Two grids hold what is mostly added; three take what differs more in size. */
static bool ISA(add_up)(const double *values, size_t n, double *parts)
{
	double largest = largest_of(values, n);
	if (!(largest >= 0x1p-900 && largest <= 0x1p900))
		largest = largest == 0.0 ? 1.0 : HUGE_VAL;
	if (largest == HUGE_VAL)
		return false;
	double first = first_grid(largest);
	parts[2] = 0.0;
	return add_on_grids(values, n, 2, first, parts) ||
	       add_on_grids(values, n, GRIDS, first, parts);
}
