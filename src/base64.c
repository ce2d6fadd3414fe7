#include "base64.h"

#include <stdint.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const unsigned char *bytes, size_t n, char *text)
{
	for (size_t i = 0; i < n; i += 3, text += 4) {
		size_t left = n - i < 3 ? n - i : 3;
		uint32_t bits = 0;
		for (size_t k = 0; k < 3; k++)
			bits = bits << 8 | (k < left ? bytes[i + k] : 0);
		for (size_t k = 0; k < 4; k++)
			text[k] = k <= left ? alphabet[bits >> (18 - 6 * k) & 63] : '=';
	}
}

/* 0 to 63; or 64 for a character that is none. */
static uint32_t digit_of(char c)
{
	const char *at = c ? strchr(alphabet, c) : NULL;
	return at ? (uint32_t)(at - alphabet) : 64;
}

bool base64_decode(const char *text, size_t n, unsigned char *bytes, size_t *size)
{
	*size = 0;
	if (n % 4 != 0)
		return false;
	for (size_t i = 0; i < n; i += 4) {
		size_t padding = 0;
		uint32_t bits = 0;
		if (i + 4 == n)
			padding = text[i + 3] != '=' ? 0 : text[i + 2] != '=' ? 1 : 2;
		for (size_t k = 0; k < 4; k++) {
			uint32_t digit = k < 4 - padding ? digit_of(text[i + k]) : 0;
			if (digit > 63)
				return false;
			bits = bits << 6 | digit;
		}
		if (bits & ((UINT32_C(1) << 8 * padding) - 1))
			return false;
		for (size_t k = 0; k < 3 - padding; k++)
			bytes[(*size)++] = (unsigned char)(bits >> (16 - 8 * k));
	}
	return true;
}
