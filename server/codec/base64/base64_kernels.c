#include "base64_kernels.h"

const char base64_alphabet[64] = {
	'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O', 'P',
	'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z', 'a', 'b', 'c', 'd', 'e', 'f',
	'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q', 'r', 's', 't', 'u', 'v',
	'w', 'x', 'y', 'z', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '+', '/',
};

const unsigned char base64_values[256] = {
	['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,
	['H'] = 8,  ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14,
	['O'] = 15, ['P'] = 16, ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21,
	['V'] = 22, ['W'] = 23, ['X'] = 24, ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28,
	['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32, ['g'] = 33, ['h'] = 34, ['i'] = 35,
	['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40, ['o'] = 41, ['p'] = 42,
	['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48, ['w'] = 49,
	['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
	['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63,
	['/'] = 64,
};

size_t base64_decode_base(const unsigned char *in, size_t n, unsigned char *out)
{
	size_t taken = 0;
	for (; n - taken >= BASE64_CHARS; taken += BASE64_CHARS, out += BASE64_BYTES) {
		const unsigned char *group = in + taken;
		unsigned a = base64_values[group[0]], b = base64_values[group[1]];
		unsigned c = base64_values[group[2]], d = base64_values[group[3]];
		if (!a || !b || !c || !d)
			break;
		unsigned bits = (a - 1) << 18 | (b - 1) << 12 | (c - 1) << 6 | (d - 1);
		out[0] = (unsigned char)(bits >> 16);
		out[1] = (unsigned char)(bits >> 8);
		out[2] = (unsigned char)bits;
	}
	return taken;
}

void base64_encode_base(const unsigned char *in, size_t n, char *out)
{
	for (size_t i = 0; i < n; i += BASE64_BYTES, out += BASE64_CHARS) {
		unsigned bits = (unsigned)in[i] << 16 | (unsigned)in[i + 1] << 8 | in[i + 2];
		out[0] = base64_alphabet[bits >> 18];
		out[1] = base64_alphabet[bits >> 12 & 63];
		out[2] = base64_alphabet[bits >> 6 & 63];
		out[3] = base64_alphabet[bits & 63];
	}
}

static const struct base64_kernels base64_base = {"base", NULL, base64_decode_base,
						  base64_encode_base};

static const struct base64_kernels *const table[] = {
#if defined(__x86_64__)
	&base64_vbmi,
	&base64_avx512,
	&base64_avx2,
#elif defined(__aarch64__)
	&base64_neon,
#endif
	&base64_base,
};
#define N_ROWS (sizeof table / sizeof table[0])

static bool runs_here(const struct base64_kernels *kernels)
{
	return loss_isa_find(kernels->isa) && (!kernels->supported || kernels->supported());
}

const struct base64_kernels *base64_kernels_at(size_t i)
{
	for (size_t row = 0; row < N_ROWS; row++)
		if (runs_here(table[row]) && i-- == 0)
			return table[row];
	return NULL;
}

const struct base64_kernels *base64_kernels(const char *isa)
{
	const char *wanted = isa ? isa : loss_isa();
	size_t row = 0;
	while (row < N_ROWS - 1 &&
	       (loss_isa_find(table[row]->isa) != wanted || !runs_here(table[row])))
		row++;
	return table[row];
}
