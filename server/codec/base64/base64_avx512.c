/* Base64 in vectors of 64 bytes, with the tables of 64 and 128 bytes that AVX-512 VBMI looks up. */
#include "base64_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi")))

#define CHARS ((size_t)64)
#define BYTES ((size_t)48)
/* A whole vector is read to encode, and written to decode: so many must be there. */
#define CHARS_NEEDED ((size_t)88)
#define BYTES_NEEDED ((size_t)64)

/* Bytes of a vector, four at a time. */
#define FOURS(f)                                                                                   \
	f(0), f(1), f(2), f(3), f(4), f(5), f(6), f(7), f(8), f(9), f(10), f(11), f(12), f(13),    \
		f(14), f(15)

TARGET static size_t decode(const unsigned char *in, size_t n, unsigned char *out)
{
/* Of each group of four bytes the lower three, from the highest down. */
#define PACKED(i) 4 * (i) + 2, 4 * (i) + 1, 4 * (i)
	static const unsigned char packed[64] = {FOURS(PACKED)};
	const __m512i together = _mm512_loadu_si512(packed);
	const __m512i first = _mm512_loadu_si512(base64_values);
	const __m512i second = _mm512_loadu_si512(base64_values + 64);
	const __m512i one = _mm512_set1_epi8(1);
	size_t taken = 0;
	for (; n - taken >= CHARS_NEEDED; taken += CHARS, out += BYTES) {
		__m512i chars = _mm512_loadu_si512(in + taken);
		/* What is none of the alphabet becomes -1; what is no ASCII is found by itself. */
		__m512i values =
			_mm512_sub_epi8(_mm512_permutex2var_epi8(first, chars, second), one);
		if (_mm512_movepi8_mask(_mm512_or_si512(values, chars)))
			break;
		__m512i pairs = _mm512_maddubs_epi16(values, _mm512_set1_epi32(0x01400140));
		__m512i groups = _mm512_madd_epi16(pairs, _mm512_set1_epi32(0x00011000));
		_mm512_storeu_si512(out, _mm512_permutexvar_epi8(together, groups));
	}
	return taken + base64_decode_base(in + taken, n - taken, out);
}

TARGET static void encode(const unsigned char *in, size_t n, char *out)
{
/* Three bytes a, b, c as b a c b: then the values begin at bits 10, 4, 22 and 16. */
#define SPREAD(i) 3 * (i) + 1, 3 * (i), 3 * (i) + 2, 3 * (i) + 1
	static const unsigned char spread[64] = {FOURS(SPREAD)};
	const __m512i apart = _mm512_loadu_si512(spread);
	const __m512i alphabet = _mm512_loadu_si512(base64_alphabet);
	const __m512i shifts = _mm512_set1_epi64(0x3036242a1016040a);
	size_t done = 0;
	for (; n - done >= BYTES_NEEDED; done += BYTES, out += CHARS) {
		__m512i bytes = _mm512_permutexvar_epi8(apart, _mm512_loadu_si512(in + done));
		/* Of the index its six lower bits count. */
		__m512i values = _mm512_multishift_epi64_epi8(shifts, bytes);
		_mm512_storeu_si512(out, _mm512_permutexvar_epi8(values, alphabet));
	}
	base64_encode_base(in + done, n - done, out);
}

static bool has_vbmi(void)
{
	return __builtin_cpu_supports("avx512vbmi");
}

const struct base64_kernels base64_vbmi = {"avx512", has_vbmi, decode, encode};

#endif
