#include "half.h"

float half_get(loss_dtype dtype, const void *data, size_t i)
{
	switch (dtype) {
	case LOSS_F16:
		return half_widen(HALF_F16, ((const uint16_t *)data)[i]);
	case LOSS_BF16:
		return half_widen(HALF_BF16, ((const uint16_t *)data)[i]);
	case LOSS_F8_E4M3:
		return half_widen(HALF_F8_E4M3, ((const uint8_t *)data)[i]);
	default:
		return half_widen(HALF_F8_E5M2, ((const uint8_t *)data)[i]);
	}
}

void half_put(loss_dtype dtype, void *data, size_t i, double value)
{
	switch (dtype) {
	case LOSS_F16:
		((uint16_t *)data)[i] = (uint16_t)half_narrow(HALF_F16, value);
		break;
	case LOSS_BF16:
		((uint16_t *)data)[i] = (uint16_t)half_narrow(HALF_BF16, value);
		break;
	case LOSS_F8_E4M3:
		((uint8_t *)data)[i] = (uint8_t)half_narrow(HALF_F8_E4M3, value);
		break;
	default:
		((uint8_t *)data)[i] = (uint8_t)half_narrow(HALF_F8_E5M2, value);
	}
}

/* ---------------------------------------------------------------- many at once */

/* Loops of one format each, which compilers make vectors of. */
#define LOOPS(name, type, format)                                                                  \
	static void widen_##name(const type *restrict from, float *restrict to, size_t n)          \
	{                                                                                          \
		for (size_t i = 0; i < n; i++)                                                     \
			to[i] = half_widen(format, from[i]);                                       \
	}                                                                                          \
	static void narrow_##name(const float *restrict from, type *restrict to, size_t n)         \
	{                                                                                          \
		for (size_t i = 0; i < n; i++)                                                     \
			to[i] = (type)half_narrow_float(format, from[i]);                          \
	}
LOOPS(f16, uint16_t, HALF_F16)
LOOPS(bf16, uint16_t, HALF_BF16)
LOOPS(f8_e4m3, uint8_t, HALF_F8_E4M3)
LOOPS(f8_e5m2, uint8_t, HALF_F8_E5M2)
#undef LOOPS

void half_to_float(loss_dtype dtype, const void *from, float *to, size_t n)
{
	switch (dtype) {
	case LOSS_F16:
		widen_f16(from, to, n);
		break;
	case LOSS_BF16:
		widen_bf16(from, to, n);
		break;
	case LOSS_F8_E4M3:
		widen_f8_e4m3(from, to, n);
		break;
	default:
		widen_f8_e5m2(from, to, n);
	}
}

void half_from_float(loss_dtype dtype, const float *from, void *to, size_t n)
{
	switch (dtype) {
	case LOSS_F16:
		narrow_f16(from, to, n);
		break;
	case LOSS_BF16:
		narrow_bf16(from, to, n);
		break;
	case LOSS_F8_E4M3:
		narrow_f8_e4m3(from, to, n);
		break;
	default:
		narrow_f8_e5m2(from, to, n);
	}
}
