#include "forms.h"

#include <stddef.h>
#include <string.h>

static bool is_printable(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return false;
	return true;
}

bool form_is_path(const char *text)
{
	return *text && is_printable(text);
}

bool form_is_mode(const char *text)
{
	size_t n = strspn(text, "01234567");
	/* Four digits are those of a permission, and a 0 before them. */
	return n > 0 && n <= 4 && text[n] == '\0' && (n < 4 || text[0] == '0');
}

bool form_is_http_url(const char *text)
{
	static const char *const schemes[] = {"http://", "https://"};
	for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
		size_t n = strlen(schemes[i]);
		if (strncmp(text, schemes[i], n) != 0)
			continue;
		const char *host = text + n;
		size_t length = strcspn(host, "/?#");
		return length > 0 && !memchr(host, '@', length) && !strchr(text, ' ') &&
		       is_printable(text);
	}
	return strcmp(text, "none") == 0;
}
