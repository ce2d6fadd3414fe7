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
const char *target_authority(const char *text, size_t *n)
{
	size_t scheme = strncasecmp(text, "http://", 7) == 0    ? 7
			: strncasecmp(text, "https://", 8) == 0 ? 8
								: 0;
	*n = scheme ? strcspn(text + scheme, "/?") : 0;
	return scheme ? text + scheme : NULL;
}

static bool keep_authority(struct target *target, const char *authority, size_t n,
			   struct loss_arena *arena)
{
	char *copy = loss_arena_array(arena, char, n + 1);
	target->authority = copy;
	if (!copy)
		return false;
	memcpy(copy, authority, n);
	copy[n] = '\0';
	return true;
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
	size_t n_authority;
	const char *authority = target_authority(copy, &n_authority);
	if (authority && !keep_authority(target, authority, n_authority, arena))
		return false;
	const char *path = authority ? authority + n_authority : copy, *end = copy + size - 1;
	const char *mark = memchr(path, '?', (size_t)(end - path));
	target->query = mark ? mark + 1 : "";
	target->n_query = mark ? (size_t)(end - mark) - 1 : 0;
	size_t n = (size_t)((mark ? mark : end) - path);
	if (n == 0 && authority)
		return take_path(target, "/", 1, arena);
	return take_path(target, path, n, arena);
}
