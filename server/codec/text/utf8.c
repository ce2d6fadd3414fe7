#include "utf8.h"

#include <string.h>

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

uint32_t utf8_decode(const char *text, size_t n)
{
	const unsigned char *p = (const unsigned char *)text;
	uint32_t character = n == 1 ? p[0] : p[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++)
		character = character << 6 | (p[i] & 0x3f);
	return character;
}

bool utf8_is_control(uint32_t character)
{
	static const struct {
		uint32_t first, last;
	} ranges[] = {
		{0x0000, 0x001f},   {0x007f, 0x009f}, {0x00ad, 0x00ad},   {0x061c, 0x061c},
		{0x180e, 0x180e},   {0x200b, 0x200f}, {0x2028, 0x202e},   {0x2060, 0x206f},
		{0xfeff, 0xfeff},   {0xfff9, 0xfffb}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a},
		{0xe0000, 0xe007f},
	};
	for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
		if (character >= ranges[i].first && character <= ranges[i].last)
			return true;
	return false;
}

void utf8_tame(char *text)
{
	char *out = text;
	for (size_t n; *text; text += n) {
		bool whole = true;
		n = (unsigned char)*text < 0x80 ? 1 : utf8_measure(text, &whole);
		if (whole && utf8_is_control(utf8_decode(text, n))) {
			*out++ = '?';
			continue;
		}
		memmove(out, text, n);
		out += n;
	}
	*out = '\0';
}
