#include "utf8.h"

static const struct utf8_lead leads[] = {
	{0xc2, 0xdf, 1, 0x80, 0xbf}, {0xe0, 0xe0, 2, 0xa0, 0xbf}, {0xe1, 0xec, 2, 0x80, 0xbf},
	{0xed, 0xed, 2, 0x80, 0x9f}, {0xee, 0xef, 2, 0x80, 0xbf}, {0xf0, 0xf0, 3, 0x90, 0xbf},
	{0xf1, 0xf3, 3, 0x80, 0xbf}, {0xf4, 0xf4, 3, 0x80, 0x8f},
};

const struct utf8_lead *utf8_lead(unsigned char byte)
{
	for (size_t i = 0; i < sizeof leads / sizeof *leads; i++)
		if (byte >= leads[i].first && byte <= leads[i].last)
			return &leads[i];
	return NULL;
}

/* The text's final NUL ends a sequence as any other wrong byte does. */
size_t utf8_measure(const char *text, bool *whole)
{
	const unsigned char *p = (const unsigned char *)text;
	const struct utf8_lead *lead = utf8_lead(p[0]);
	size_t n = 1;
	*whole = false;
	if (!lead || p[1] < lead->low || p[1] > lead->high)
		return n;
	for (n = 2; n <= lead->n_more && (p[n] & 0xc0) == 0x80; n++)
		continue;
	*whole = n == lead->n_more + (size_t)1;
	return n;
}
