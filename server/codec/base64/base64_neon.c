/* Base64 in vectors of 16 bytes: sixteen groups at a time, their bytes apart. */
#include "base64_kernels.h"

#if defined(__aarch64__)
#include <arm_neon.h>

#define CHARS ((size_t)64)
#define BYTES ((size_t)48)

/* 64 bytes as a table. */
static inline uint8x16x4_t table_of(const void *bytes)
{
	const uint8_t *p = bytes;
	return (uint8x16x4_t){{vld1q_u8(p), vld1q_u8(p + 16), vld1q_u8(p + 32), vld1q_u8(p + 48)}};
}

/* What is in neither half of the table becomes 0, and then 255. */
static inline uint8x16_t values_of(uint8x16_t chars, uint8x16x4_t first, uint8x16x4_t second)
{
	uint8x16_t upper = veorq_u8(chars, vdupq_n_u8(64));
	uint8x16_t either = vorrq_u8(vqtbl4q_u8(first, chars), vqtbl4q_u8(second, upper));
	return vsubq_u8(either, vdupq_n_u8(1));
}

static size_t decode(const unsigned char *in, size_t n, unsigned char *out)
{
	const uint8x16x4_t first = table_of(base64_values), second = table_of(base64_values + 64);
	size_t taken = 0;
	for (; n - taken >= CHARS; taken += CHARS, out += BYTES) {
		uint8x16x4_t chars = vld4q_u8(in + taken);
		uint8x16_t a = values_of(chars.val[0], first, second);
		uint8x16_t b = values_of(chars.val[1], first, second);
		uint8x16_t c = values_of(chars.val[2], first, second);
		uint8x16_t d = values_of(chars.val[3], first, second);
		if (vmaxvq_u8(vorrq_u8(vorrq_u8(a, b), vorrq_u8(c, d))) > 63)
			break;
		uint8x16x3_t bytes = {{
			vorrq_u8(vshlq_n_u8(a, 2), vshrq_n_u8(b, 4)),
			vorrq_u8(vshlq_n_u8(b, 4), vshrq_n_u8(c, 2)),
			vorrq_u8(vshlq_n_u8(c, 6), d),
		}};
		vst3q_u8(out, bytes);
	}
	return taken + base64_decode_base(in + taken, n - taken, out);
}

static void encode(const unsigned char *in, size_t n, char *out)
{
	const uint8x16x4_t alphabet = table_of(base64_alphabet);
	const uint8x16_t six_bits = vdupq_n_u8(63);
	size_t done = 0;
	for (; n - done >= BYTES; done += BYTES, out += CHARS) {
		uint8x16x3_t bytes = vld3q_u8(in + done);
		uint8x16_t a = bytes.val[0], b = bytes.val[1], c = bytes.val[2];
		uint8x16x4_t chars = {{
			vqtbl4q_u8(alphabet, vshrq_n_u8(a, 2)),
			vqtbl4q_u8(alphabet, vandq_u8(vorrq_u8(vshlq_n_u8(a, 4), vshrq_n_u8(b, 4)),
						      six_bits)),
			vqtbl4q_u8(alphabet, vandq_u8(vorrq_u8(vshlq_n_u8(b, 2), vshrq_n_u8(c, 6)),
						      six_bits)),
			vqtbl4q_u8(alphabet, vandq_u8(c, six_bits)),
		}};
		vst4q_u8((uint8_t *)out, chars);
	}
	base64_encode_base(in + done, n - done, out);
}

const struct base64_kernels base64_neon = {"neon", NULL, decode, encode};

#endif
