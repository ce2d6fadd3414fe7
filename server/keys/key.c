#include "key.h"

#include <gnutls/crypto.h>
#include <stdio.h>
#include <string.h>

#include "codec/text/utf8.h"

#define PREFIX "lossd_"
#define SECRET_BYTES 32

const char *const key_scopes[KEY_N_SCOPES] = {
	[KEY_EVALUATE] = "evaluate",
	[KEY_METRICS] = "metrics",
	[KEY_ADMIN] = "admin",
};

enum key_scope key_scope_find(const char *text, size_t n)
{
	int scope = 0;
	while (scope < KEY_N_SCOPES &&
	       (strlen(key_scopes[scope]) != n || memcmp(key_scopes[scope], text, n) != 0))
		scope++;
	return (enum key_scope)scope;
}

bool key_is_name(const char *text)
{
	size_t n = strlen(text), length = 1;
	for (size_t i = 0; i < n; i += length) {
		bool whole = true;
		length = (unsigned char)text[i] < 0x80 ? 1 : utf8_measure(text + i, &whole);
		if (!whole || utf8_is_control(utf8_decode(text + i, length)))
			return false;
	}
	return n > 0 && n <= KEY_NAME_MAX;
}

bool key_hash(const char *key, size_t n, unsigned char hash[KEY_HASH_BYTES])
{
	return gnutls_hash_fast(GNUTLS_DIG_SHA256, key, n, hash) == 0;
}

/* RFC 4648, section 5, without padding. */
static void write_base64url(const unsigned char *bytes, size_t n, char *out)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				     "0123456789-_";
	for (size_t bit = 0; bit < n * 8; bit += 6) {
		unsigned two = (unsigned)bytes[bit / 8] << 8;
		if (bit / 8 + 1 < n)
			two |= bytes[bit / 8 + 1];
		*out++ = digits[two >> (10 - bit % 8) & 63];
	}
	*out = '\0';
}

bool key_make(char text[KEY_TEXT_SIZE])
{
	unsigned char secret[SECRET_BYTES];
	if (gnutls_rnd(GNUTLS_RND_KEY, secret, sizeof secret) != 0)
		return false;
	memcpy(text, PREFIX, sizeof PREFIX);
	write_base64url(secret, sizeof secret, text + sizeof PREFIX - 1);
	gnutls_memset(secret, 0, sizeof secret);
	return true;
}
