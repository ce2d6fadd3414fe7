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

bool target_split(const char *text, struct loss_arena *arena, struct target *target)
{
	size_t size = strlen(text) + 1;
	char *copy = loss_arena_array(arena, char, size);
	*target = (struct target){.text = copy};
	if (!copy)
		return false;
	memcpy(copy, text, size);
	const char *path = skip_authority(target->text);
	size_t n = strcspn(path, "?");
	char *decoded = loss_arena_array(arena, char, n + 1);
	if (!decoded)
		return false;
	target->path = decoded;
	target->n_path = decode(path, n, decoded, &target->has_nul);
	if (target->n_path == 0 && path != target->text)
		decoded[target->n_path++] = '/';
	target->query = path[n] == '?' ? path + n + 1 : "";
	target->n_query = strlen(target->query);
	return true;
}
