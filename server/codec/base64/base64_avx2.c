/* Base64 in vectors of 32 bytes. */
#include "base64_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET __attribute__((target("avx2")))
/* A half of 16 bytes, twice. */
#define TWICE(...) _mm256_setr_epi8(__VA_ARGS__, __VA_ARGS__)

/* Characters decoded at a time, and the bytes that they make, which are written as a whole vector;
 * so that its end is still room, more characters must be there. */
#define CHARS ((size_t)32)
#define BYTES ((size_t)24)
#define CHARS_NEEDED ((size_t)44)

/*
 * A character's halves, of four bits each, tell what it is. The upper one names a class: 2 has +
 * and
 * /, 3 the digits, 4 and 6 the letters up to O and o, 5 and 7 those from P and p; the lower one
 * tells in which classes it stands for nothing. Where the two share a bit, the character is none.
 */
TARGET static inline bool are_alphabet(__m256i upper, __m256i lower)
{
	const __m256i classes = TWICE(16, 16, 1, 2, 4, 8, 4, 8, 16, 16, 16, 16, 16, 16, 16, 16);
	const __m256i strangers = TWICE(0x15, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11,
					0x13, 0x1a, 0x1b, 0x1b, 0x1b, 0x1a);
	return _mm256_testz_si256(_mm256_shuffle_epi8(classes, upper),
				  _mm256_shuffle_epi8(strangers, lower));
}

/* What is added to a character to make it a value, by its upper half; / is looked up as 1. */
TARGET static inline __m256i values_of(__m256i in, __m256i upper)
{
	const __m256i steps = TWICE(0, 63 - '/', 62 - '+', 52 - '0', -'A', -'A', 26 - 'a', 26 - 'a',
				    0, 0, 0, 0, 0, 0, 0, 0);
	__m256i slash = _mm256_cmpeq_epi8(in, _mm256_set1_epi8('/'));
	return _mm256_add_epi8(in, _mm256_shuffle_epi8(steps, _mm256_add_epi8(upper, slash)));
}

/* Of four values of six bits the three bytes; those of a half stand at its beginning. */
TARGET static inline __m256i pack(__m256i values)
{
	const __m256i bytes = TWICE(2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1);
	__m256i pairs = _mm256_maddubs_epi16(values, _mm256_set1_epi32(0x01400140));
	__m256i groups = _mm256_madd_epi16(pairs, _mm256_set1_epi32(0x00011000));
	return _mm256_shuffle_epi8(groups, bytes);
}

TARGET static size_t decode(const unsigned char *in, size_t n, unsigned char *out)
{
	const __m256i low_bits = _mm256_set1_epi8(0x0f);
	const __m256i together = _mm256_setr_epi32(0, 1, 2, 4, 5, 6, 7, 7);
	size_t taken = 0;
	for (; n - taken >= CHARS_NEEDED; taken += CHARS, out += BYTES) {
		__m256i chars = _mm256_loadu_si256((const void *)(in + taken));
		__m256i upper = _mm256_and_si256(_mm256_srli_epi16(chars, 4), low_bits);
		if (!are_alphabet(upper, _mm256_and_si256(chars, low_bits)))
			break;
		__m256i packed = pack(values_of(chars, upper));
		_mm256_storeu_si256((void *)out, _mm256_permutevar8x32_epi32(packed, together));
	}
	return taken + base64_decode_base(in + taken, n - taken, out);
}

/* Bytes that are read to encode BYTES of them. */
#define BYTES_NEEDED ((size_t)28)

/* Three bytes a, b, c become the words b a and c b, in whose bits the four values are shifted to
 * where they belong: the first and third down, the second and fourth up. */
TARGET static inline __m256i split(__m256i bytes)
{
	const __m256i spread = TWICE(1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10);
	__m256i words = _mm256_shuffle_epi8(bytes, spread);
	__m256i down = _mm256_mulhi_epu16(_mm256_and_si256(words, _mm256_set1_epi32(0x0fc0fc00)),
					  _mm256_set1_epi32(0x04000040));
	__m256i up = _mm256_mullo_epi16(_mm256_and_si256(words, _mm256_set1_epi32(0x003f03f0)),
					_mm256_set1_epi32(0x01000010));
	return _mm256_or_si256(down, up);
}

/* What is added to a value to make it a character, by its kind: 0 the small letters, 1 to 10 the
 * digits, 11 and 12 + and /, 13 the capitals. */
TARGET static inline __m256i characters_of(__m256i values)
{
	const __m256i steps =
		TWICE('a' - 26, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52,
		      '0' - 52, '0' - 52, '0' - 52, '0' - 52, '+' - 62, '/' - 63, 'A', 0, 0);
	__m256i kind = _mm256_subs_epu8(values, _mm256_set1_epi8(51));
	__m256i capital = _mm256_cmpgt_epi8(_mm256_set1_epi8(26), values);
	kind = _mm256_or_si256(kind, _mm256_and_si256(capital, _mm256_set1_epi8(13)));
	return _mm256_add_epi8(values, _mm256_shuffle_epi8(steps, kind));
}

TARGET static void encode(const unsigned char *in, size_t n, char *out)
{
	size_t done = 0;
	for (; n - done >= BYTES_NEEDED; done += BYTES, out += CHARS) {
		__m128i first = _mm_loadu_si128((const void *)(in + done));
		__m128i second = _mm_loadu_si128((const void *)(in + done + BYTES / 2));
		__m256i bytes = _mm256_set_m128i(second, first);
		_mm256_storeu_si256((void *)out, characters_of(split(bytes)));
	}
	base64_encode_base(in + done, n - done, out);
}

/* Without VBMI wider vectors have no table of so many bytes: these are as good. */
const struct base64_kernels base64_avx512 = {"avx512", NULL, decode, encode};
const struct base64_kernels base64_avx2 = {"avx2", NULL, decode, encode};

#endif
