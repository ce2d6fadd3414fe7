#include "config_file.h"

#include "os/file.h"
#include "settings.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Overwrites comments by spaces, so that the rest keeps its lines. False: one has no end. */
static bool blank_comments(char *text)
{
	char *at = text;
	while (*at) {
		if (*at == '"') { /* a string may hold slashes */
			for (at++; *at && *at != '"'; at++)
				if (*at == '\\' && at[1])
					at++;
			at += *at == '"';
		} else if (at[0] == '/' && at[1] == '/') {
			while (*at && *at != '\n')
				*at++ = ' ';
		} else if (at[0] == '/' && at[1] == '*') {
			char *end = strstr(at + 2, "*/");
			if (!end)
				return false;
			for (; at < end + 2; at++)
				if (*at != '\n')
					*at = ' ';
		} else {
			at++;
		}
	}
	return true;
}

static unsigned line_of(const char *text, const char *place)
{
	unsigned line = 1;
	for (const char *at = text; at < place && *at; at++)
		line += *at == '\n';
	return line;
}

/* Strings with commas between them; `empty` where there are none. NULL when something else is among
 * them, or they are too long. */
static const char *join(const cJSON *array, const char *empty, char *out, size_t size)
{
	size_t used = 0;
	for (const cJSON *item = array->child; item; item = item->next) {
		if (!cJSON_IsString(item))
			return NULL;
		int n = snprintf(out + used, size - used, "%s%s", used ? "," : "",
				 item->valuestring);
		if (n < 0 || (size_t)n >= size - used)
			return NULL;
		used += (size_t)n;
	}
	return used > 0 ? out : empty;
}

/* The value as one would write it for a flag; NULL when it is of a kind that the key does not take.
 */
static const char *text_of(const struct setting *setting, const cJSON *item, char *out, size_t size)
{
	bool wordy = setting->type == SETTING_LISTEN || setting->type == SETTING_CHOICE ||
		     setting->type == SETTING_TEXT;
	if (cJSON_IsString(item)) {
		bool is_auto = setting->automatic && strcmp(item->valuestring, "auto") == 0;
		return wordy || is_auto || setting->type == SETTING_BYTES ? item->valuestring
									  : NULL;
	}
	if (setting->empty && cJSON_IsArray(item))
		return join(item, setting->empty, out, size);
	if (!cJSON_IsNumber(item) || wordy)
		return NULL;
	snprintf(out, size, "%.17g", item->valuedouble);
	return out;
}

static bool take_member(const char *path, cJSON *item, bool *seen, struct config *config)
{
	char source[512], shown[80], made[sizeof config->cors_origins], bound[256];
	snprintf(source, sizeof source, "file %s", path);
	const struct setting *setting = setting_find(item->string);
	if (!setting) {
		config_complain("%s: unknown key \"%s\"; lossd --help lists them", source,
				config_show(item->string, shown, sizeof shown));
		return false;
	}
	bool *mark = &seen[setting - settings];
	if (*mark) {
		config_complain("%s: %s is there twice", source, setting->key);
		return false;
	}
	*mark = true;
	const char *text = text_of(setting, item, made, sizeof made);
	if (text)
		return setting_set(setting, text, source, config);
	/* cJSON prints what it parsed; into our memory, so that there is nothing to free. */
	if (!cJSON_PrintPreallocated(item, shown, sizeof shown, false))
		snprintf(shown, sizeof shown, "a value of another kind");
	setting_describe(setting, bound, sizeof bound);
	config_complain("%s: %s must be %s, not %s", source, setting->key, bound, shown);
	return false;
}

static bool take_document(const char *path, cJSON *document, struct config *config)
{
	bool seen[SETTINGS_MAX] = {false};
	if (!cJSON_IsObject(document)) {
		config_complain("file %s: must be one JSON object, {\"key\": value, ...}", path);
		return false;
	}
	for (cJSON *item = document->child; item; item = item->next)
		if (!take_member(path, item, seen, config))
			return false;
	return true;
}

bool config_file_load(const char *path, struct config *config)
{
	static char text[256 * 1024];
	ssize_t n = file_read(path, text, sizeof text);
	if (n < 0) {
		config_complain("file %s: %s", path,
				errno == EFBIG ? "is larger than 256KiB" : strerror(errno));
		return false;
	}
	if (strlen(text) != (size_t)n) {
		config_complain("file %s: line %u: holds a NUL byte", path,
				line_of(text, text + strlen(text)));
		return false;
	}
	if (!blank_comments(text)) {
		config_complain("file %s: a /* comment has no end", path);
		return false;
	}
	const char *end = text;
	cJSON *document = cJSON_ParseWithOpts(text, &end, true);
	if (!document) {
		config_complain("file %s: line %u: is not valid JSON", path, line_of(text, end));
		return false;
	}
	bool good = take_document(path, document, config);
	cJSON_Delete(document);
	return good;
}
