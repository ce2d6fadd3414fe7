#include "config_file.h"

#include "os/file.h"
#include "settings.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Overwrites comments by spaces, so that the rest keeps its lines. The beginning of one that has no
 * end, or NULL. */
static const char *blank_comments(char *text)
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
				return at;
			for (; at < end + 2; at++)
				if (*at != '\n')
					*at = ' ';
		} else {
			at++;
		}
	}
	return NULL;
}

/* Says what is wrong at a place of the text; columns count characters, in comments bytes. False. */
static bool complain_at(const char *path, const char *text, const char *place, const char *what)
{
	unsigned line = 1, column = 1;
	for (const char *at = text; at < place && *at; at++) {
		bool begins = ((unsigned char)*at & 0xc0) != 0x80; /* a character of UTF-8 */
		column = *at == '\n' ? 1 : column + begins;
		line += *at == '\n';
	}
	config_complain("file %s: line %u, column %u: %s", path, line, column, what);
	return false;
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
	if (setting_is_boolean(setting) && cJSON_IsBool(item))
		return cJSON_IsTrue(item) ? "true" : "false";
	if (setting->empty && cJSON_IsArray(item))
		return join(item, setting->empty, out, size);
	if (!cJSON_IsNumber(item) || wordy)
		return NULL;
	snprintf(out, size, "%.17g", item->valuedouble);
	return out;
}

static bool refuse_key(const char *source, const char *key)
{
	char shown[80], hint[80];
	const struct setting *nearest = setting_nearest(key);
	if (nearest)
		snprintf(hint, sizeof hint, "the nearest is \"%s\"", nearest->key);
	config_complain("%s: unknown key \"%s\"; %s", source, config_show(key, shown, sizeof shown),
			nearest ? hint : "lossd --help lists them");
	return false;
}

static bool take_member(const char *path, cJSON *item, bool *seen, struct config *config)
{
	char source[512], shown[80], made[sizeof config->cors_origins], bound[256];
	snprintf(source, sizeof source, "file %s", path);
	const struct setting *setting = setting_find(item->string);
	if (!setting)
		return refuse_key(source, item->string);
	bool *mark = &seen[setting - settings];
	if (*mark) {
		config_complain("%s: %s is given twice; give it once", source, setting->key);
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

/* Where the text stops being JSON. Of what stands in place of a key, cJSON tells the byte after. */
static const char *blame(const char *text, const char *end)
{
	const char *key = end - 1, *before = key;
	if (end == text || strchr("\" \t\r\n", *key))
		return end;
	while (before > text && strchr(" \t\r\n", before[-1]))
		before--;
	return before > text && strchr("{,", before[-1]) ? key : end;
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
	if (strlen(text) != (size_t)n)
		return complain_at(path, text, text + strlen(text), "holds a NUL byte");
	/* It would end the text that holds it. */
	const char *escape = strstr(text, "\\u0000");
	if (escape)
		return complain_at(path, text, escape, "holds a NUL, which no setting may");
	const char *comment = blank_comments(text);
	if (comment)
		return complain_at(path, text, comment, "a /* comment begins here and has no end");
	const char *end = text;
	cJSON *document = cJSON_ParseWithOpts(text, &end, true);
	if (!document)
		return complain_at(path, text, blame(text, end), "is not valid JSON");
	bool good = take_document(path, document, config);
	cJSON_Delete(document);
	return good;
}
