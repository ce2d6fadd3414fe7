#include "target.h"

#include <string.h>
#include <strings.h>

#include "codec/text/percent.h"

/* Bad percent-encoding stays as it is: no path has a '%', so nothing is found there. */
static size_t decode(const char *raw, size_t n, char *out, bool *has_nul)
{
	size_t size = 0;
	for (size_t i = 0; i < n; i++) {
		int byte = percent_byte(raw + i, n - i);
		out[size++] = byte < 0 ? raw[i] : (char)byte;
		if (byte >= 0)
			i += PERCENT_SIZE - 1;
		*has_nul = *has_nul || byte == 0;
	}
	return size;
}

/* Origin form, or absolute form, which every server must take (RFC 9112, section 3.2.2). */
static const char *skip_authority(const char *target)
{
	size_t scheme = strncasecmp(target, "http://", 7) == 0    ? 7
			: strncasecmp(target, "https://", 8) == 0 ? 8
								  : 0;
	return scheme == 0 ? target : target + scheme + strcspn(target + scheme, "/?");
}

/* Most paths stand for themselves. */
static bool take_path(struct target *target, const char *path, size_t n, struct loss_arena *arena)
{
	target->path = path;
	target->n_path = n;
	if (!memchr(path, '%', n))
		return true;
	char *decoded = loss_arena_array(arena, char, n);
	target->path = decoded;
	if (decoded)
		target->n_path = decode(path, n, decoded, &target->has_nul);
	return decoded;
}

bool target_split(const char *text, struct loss_arena *arena, struct target *target)
{
	size_t size = strlen(text) + 1;
	char *copy = loss_arena_array(arena, char, size);
	*target = (struct target){.text = copy};
	if (!copy)
		return false;
	memcpy(copy, text, size);
	const char *path = skip_authority(copy), *end = copy + size - 1;
	const char *mark = memchr(path, '?', (size_t)(end - path));
	target->query = mark ? mark + 1 : "";
	target->n_query = mark ? (size_t)(end - mark) - 1 : 0;
	size_t n = (size_t)((mark ? mark : end) - path);
	if (n == 0 && path != copy)
		return take_path(target, "/", 1, arena);
	return take_path(target, path, n, arena);
}
